//! A shop at work: random transactions on the product table, the same ones for the same seed.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;

use crate::postgres::Postgres;
use crate::process::Process;
use crate::workspace::Workspace;

/// Between two transactions, so that the load lasts and the consumers see it arrive bit by bit.
const PAUSE: Duration = Duration::from_millis(15);

const CATEGORIES: [&str; 8] = [
    "Kitchen",
    "Garden",
    "Office",
    "Outdoor",
    "Toys",
    "Books",
    "Lighting",
    "Café & Tea",
];
const ADJECTIVES: [&str; 10] = [
    "sturdy",
    "light",
    "folding",
    "blue",
    "oak",
    "steel",
    "handmade",
    "O'Hara's",
    "größere",
    "静かな",
];
const NOUNS: [&str; 10] = [
    "kettle",
    "lamp",
    "desk",
    "tent",
    "puzzle",
    "rake",
    "teapot",
    "notebook",
    "jar \\ lid",
    "\"quoted\" mug",
];

/// An open session, and which products exist.
pub(crate) struct Load {
    session: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    random: Rng,
    /// The ids in the table.
    live: Vec<i64>,
    next_id: i64,
    /// Transactions run so far.
    pub(crate) transactions: usize,
}

impl Load {
    /// Opens the session.
    pub(crate) fn open(postgres: &Postgres, workspace: &Workspace, seed: u64) -> Result<Self> {
        let mut session = postgres.session(workspace)?;
        let input = session.child().stdin.take().context("no standard input")?;
        let output = session
            .child()
            .stdout
            .take()
            .map(BufReader::new)
            .context("no standard output")?;
        Ok(Self {
            session,
            input,
            output,
            random: Rng::with_seed(seed),
            live: Vec::new(),
            // Above the sample's rows, which nothing changes.
            next_id: 1_001,
            transactions: 0,
        })
    }

    /// Inserts `count` products in one transaction.
    pub(crate) fn fill(&mut self, count: usize) -> Result<()> {
        let mut sql = String::from("BEGIN;\n");
        for _ in 0..count {
            let _ = writeln!(sql, "{}", self.insert());
        }
        sql.push_str("COMMIT;");
        self.execute(&sql)
    }

    /// Runs `count` random transactions.
    pub(crate) fn run(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let sql = self.transaction();
            self.execute(&sql)?;
            self.transactions += 1;
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Sends SQL and waits until it was executed.
    fn execute(&mut self, sql: &str) -> Result<()> {
        writeln!(self.input, "{sql}\n\\echo executed")
            .and_then(|()| self.input.flush())
            .context("the SQL session is gone")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim_end() != "executed" {
            bail!("{sql}\nfailed: {line}{}", self.session.log_tail());
        }
        Ok(())
    }

    /// One transaction of a kind that a shop has, more often the commoner kinds.
    fn transaction(&mut self) -> String {
        // A table without rows can only grow.
        let kind = if self.live.is_empty() {
            99
        } else {
            self.random.u32(0..100)
        };
        match kind {
            0..40 => format!("{};", self.update_stock()),
            40..52 => {
                let (id, price) = (self.any(), self.price());
                format!("UPDATE products SET price = {price}, updated_at = now() WHERE id = {id};")
            }
            52..62 => {
                let (id, title, description) = (self.any(), self.title(), self.description());
                format!(
                    "UPDATE products SET title = {title}, description = {description}, updated_at = now() WHERE id = {id};"
                )
            }
            // The best seller: one key that never rests.
            62..70 => {
                let (id, stock) = (
                    self.live.first().copied().unwrap_or_default(),
                    self.random.u32(0..500),
                );
                format!("UPDATE products SET stock = {stock}, updated_at = now() WHERE id = {id};")
            }
            // The same row again: news without a difference.
            70..74 => format!(
                "UPDATE products SET stock = stock WHERE id = {};",
                self.any()
            ),
            74..80 => format!("DELETE FROM products WHERE id = {};", self.take_any()),
            // Replaced in one transaction, with the same key.
            80..85 => {
                let id = self.any();
                format!(
                    "BEGIN; DELETE FROM products WHERE id = {id}; {} COMMIT;",
                    self.insert_as(id)
                )
            }
            // The key itself changes: a delete of the one, a create of the other.
            85..88 => {
                let (old, new) = (self.take_any(), self.new_id());
                self.live.push(new);
                format!("UPDATE products SET id = {new}, updated_at = now() WHERE id = {old};")
            }
            // Taken back: nothing of it may be seen.
            88..90 => {
                let (id, title) = (self.any(), self.title());
                format!(
                    "BEGIN; UPDATE products SET title = {title} WHERE id = {id}; DELETE FROM products WHERE id = {id}; ROLLBACK;"
                )
            }
            // An order of several products.
            90..93 => {
                let mut sql = String::from("BEGIN; ");
                for _ in 0..8 {
                    let _ = write!(sql, "{}; ", self.update_stock());
                }
                sql + "COMMIT;"
            }
            // A sale: one statement, many rows.
            93 => {
                let category = self.random.choice(CATEGORIES).unwrap_or_default();
                format!(
                    "UPDATE products SET price = round(price * 0.9 + 0.01, 2), updated_at = now() WHERE category = '{category}';"
                )
            }
            _ => self.insert(),
        }
    }

    fn update_stock(&mut self) -> String {
        let (id, stock) = (self.any(), self.random.u32(0..100));
        format!("UPDATE products SET stock = {stock}, updated_at = now() WHERE id = {id}")
    }

    fn insert(&mut self) -> String {
        let id = self.new_id();
        self.live.push(id);
        self.insert_as(id)
    }

    fn insert_as(&mut self, id: i64) -> String {
        let (title, description, price, stock) = (
            self.title(),
            self.description(),
            self.price(),
            self.random.u32(0..100),
        );
        let category = self.random.choice(CATEGORIES).unwrap_or_default();
        format!(
            "INSERT INTO products (id, sku, title, category, description, price, stock) \
             VALUES ({id}, 'SKU-{id:06}', {title}, '{category}', {description}, {price}, {stock});"
        )
    }

    fn new_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// A product that exists.
    fn any(&mut self) -> i64 {
        self.random.choice(&self.live).copied().unwrap_or_default()
    }

    /// A product that exists, and from now on doesn't.
    fn take_any(&mut self) -> i64 {
        let position = self.random.usize(0..self.live.len());
        self.live.swap_remove(position)
    }

    fn price(&mut self) -> String {
        format!(
            "{}.{:02}",
            self.random.u32(0..2_000),
            self.random.u32(0..100)
        )
    }

    fn title(&mut self) -> String {
        let number = self.random.u32(1..10_000);
        let words = self.words();
        literal(&format!("{words} no. {number}"))
    }

    /// One in ten products has none.
    fn description(&mut self) -> String {
        if self.random.u32(0..10) == 0 {
            return "NULL".to_owned();
        }
        let sentences =
            (0..self.random.usize(1..6)).map(|_| format!("A {} for everyone.", self.words()));
        literal(&sentences.collect::<Vec<_>>().join(" "))
    }

    fn words(&mut self) -> String {
        let (adjective, noun) = (self.random.choice(ADJECTIVES), self.random.choice(NOUNS));
        format!(
            "{} {}",
            adjective.unwrap_or_default(),
            noun.unwrap_or_default()
        )
    }
}

/// Text as a literal of SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
