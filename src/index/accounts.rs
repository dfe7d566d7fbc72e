//! Accounts of what embeddings cost, kept in a collection, so that they survive restarts.
//!
//! Each process has a point of its own for each day on which it bought or saved anything, so that
//! nobody writes over what another one counted: what the group spent is the sum of all. The point's
//! id is the UUIDv5 of `account`, the process and the day, apart by line feeds (a key's canonical form
//! begins with a bracket, so no row has it). It has no vector. Its bookkeeping object has the day,
//! as days since 1970, and the account's lines.

use std::{collections::HashMap, fmt, sync::Arc};

use qdrant_client::qdrant::{
    Condition, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, FieldType, Filter,
    ListValue, PointId, PointStruct, Range, ScrollPointsBuilder, Struct, UpsertPointsBuilder,
    Value, value::Kind,
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    cost::{Account, Day, Entry, Figures, Money, Why},
    error::Failure,
    record::{self, RESERVED_FIELD},
};

use super::{
    Client,
    operations::no_vectors,
    stored::{Object, field},
    value,
};

/// Points read at once.
const PAGE: u32 = 256;

const DAY: &str = "account_day";
const PROCESS: &str = "account_of";
const ACCOUNT: &str = "account";

/// Who keeps an account: one run of the program, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessId(Arc<str>);

/// An account as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAccount {
    /// Whose it is.
    pub process: ProcessId,
    /// Of which day.
    pub day: Day,
    /// What it says.
    pub account: Account,
}

/// The accounts that are kept in one collection.
#[derive(Clone)]
pub struct Accounts {
    client: Client,
    collection: String,
}

impl ProcessId {
    /// One that nobody else has.
    pub fn random() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)).into())
    }
}

impl Accounts {
    /// Those in `collection`, which must be there.
    pub fn new(client: Client, collection: &str) -> Self {
        Self {
            client,
            collection: collection.to_owned(),
        }
    }

    /// Lets accounts be found by their day: servers in strict mode refuse to filter by what has no
    /// index. Doing it again changes nothing.
    pub async fn index_days(&self) -> Result<(), Failure> {
        let request = CreateFieldIndexCollectionBuilder::new(
            &self.collection,
            field(DAY),
            FieldType::Integer,
        );
        let mut points = self.client.points();
        let answer = points.create_field_index(request.wait(true).build()).await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// Writes an account, over what the process had written of the day.
    pub async fn write(&self, kept: &KeptAccount) -> Result<(), Failure> {
        let point = PointStruct {
            id: Some(value::point_id(id(&kept.process, kept.day))),
            payload: [(RESERVED_FIELD.to_owned(), to_value(kept))].into(),
            vectors: Some(no_vectors()),
        };
        let request = UpsertPointsBuilder::new(&self.collection, [point]).wait(true);
        let answer = self.client.points().upsert(request.build()).await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// All accounts of these days, both included.
    pub async fn read(&self, first: Day, last: Day) -> Result<Vec<KeptAccount>, Failure> {
        let days = Range {
            gte: Some(first.number() as f64),
            lte: Some(last.number() as f64),
            ..Range::default()
        };
        let mut accounts = Vec::new();
        let mut next: Option<PointId> = None;
        loop {
            let mut request = ScrollPointsBuilder::new(&self.collection)
                .filter(Filter::must([Condition::range(field(DAY), days)]))
                .limit(PAGE)
                .with_payload(true)
                .with_vectors(false);
            if let Some(next) = next {
                request = request.offset(next);
            }
            let answer = self.client.points().scroll(request.build()).await;
            let page = answer.map_err(|error| self.failure(&error))?.into_inner();
            let kept = page
                .result
                .iter()
                .filter_map(|point| from_payload(&point.payload));
            accounts.extend(kept);
            next = page.next_page_offset;
            if next.is_none() {
                return Ok(accounts);
            }
        }
    }

    /// Forgets the accounts of days before that.
    pub async fn forget_before(&self, day: Day) -> Result<(), Failure> {
        let before = Range {
            lt: Some(day.number() as f64),
            ..Range::default()
        };
        let old = Filter::must([Condition::range(field(DAY), before)]);
        let request = DeletePointsBuilder::new(&self.collection)
            .points(old)
            .wait(true);
        let answer = self.client.points().delete(request.build()).await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &Status) -> Failure {
        let refuses = "Qdrant refuses the accounts of what embeddings cost";
        self.client
            .failure_of_no_record(error, &self.collection, "accounts", refuses)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accounts({})", self.collection)
    }
}

fn id(process: &ProcessId, day: Day) -> record::PointId {
    let name = format!("account\n{}\n{day}", process.0);
    record::PointId::Uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

fn to_value(kept: &KeptAccount) -> Value {
    let lines = kept.account.entries().map(|(entry, figures)| {
        // More than the largest integer is no amount that anybody pays.
        let number = |number: u64| value::integer(i64::try_from(number).unwrap_or(i64::MAX));
        let pico = i64::try_from(figures.money.pico()).unwrap_or(i64::MAX);
        object([
            ("table", value::text(&*entry.table)),
            ("model", value::text(&*entry.model)),
            ("why", value::text(entry.why.label())),
            ("texts", number(figures.texts)),
            ("tokens", number(figures.tokens)),
            ("pico_usd", value::integer(pico)),
        ])
    });
    let lines = ListValue {
        values: lines.collect(),
    };
    object([
        (DAY, value::integer(kept.day.number())),
        (PROCESS, value::text(&*kept.process.0)),
        (ACCOUNT, value::wrap(Kind::ListValue(lines))),
    ])
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    value::wrap(Kind::StructValue(Struct {
        fields: HashMap::from(fields),
    }))
}

fn from_payload(payload: &HashMap<String, Value>) -> Option<KeptAccount> {
    let kept = Object::of(payload)?;
    let Some(Kind::ListValue(lines)) = &kept.0.fields.get(ACCOUNT)?.kind else {
        return None;
    };
    let lines = lines.values.iter().filter_map(|line| match &line.kind {
        Some(Kind::StructValue(line)) => from_line(Object(line)),
        _ => None,
    });
    Some(KeptAccount {
        process: ProcessId(kept.text(PROCESS)?.into()),
        day: Day::from_number(kept.integer(DAY)?)?,
        account: lines.collect(),
    })
}

fn from_line(line: Object<'_>) -> Option<(Entry, Figures)> {
    let number = |name| line.integer(name).and_then(|it| u64::try_from(it).ok());
    let entry = Entry {
        table: line.text("table")?.into(),
        model: line.text("model")?.into(),
        why: Why::of_label(line.text("why")?)?,
    };
    let figures = Figures {
        texts: number("texts")?,
        tokens: number("tokens")?,
        money: Money::from_pico(u128::from(number("pico_usd")?)),
    };
    Some((entry, figures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Reason, Saving};

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let entry = |why| Entry {
            table: "shop.public.products".into(),
            model: "small".into(),
            why,
        };
        let figures = Figures {
            texts: 3,
            tokens: 1_000,
            money: Money::from_pico(20_000_000),
        };
        let account = [
            (entry(Why::Bought(Reason::New)), figures),
            (entry(Why::Saved(Saving::Collapsed)), figures),
        ];
        let kept = KeptAccount {
            process: ProcessId::random(),
            day: Day::today(),
            account: account.into_iter().collect(),
        };
        let payload = HashMap::from([(RESERVED_FIELD.to_owned(), to_value(&kept))]);
        assert_eq!(from_payload(&payload), Some(kept));
    }

    #[test]
    fn each_process_has_a_point_of_its_own_for_each_day() {
        let (one, other) = (ProcessId::random(), ProcessId::random());
        let today = Day::today();
        assert_ne!(id(&one, today), id(&other, today));
        assert_ne!(id(&one, today), id(&one, today.next()));
        assert_eq!(id(&one, today), id(&one.clone(), today));
    }
}
