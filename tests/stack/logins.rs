//! Over TLS, with a login or a certificate; and what is said where the brokers do not let Vectide in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::certificates::Certificate;
use crate::checking::check;
use crate::connect::Dialect;
use crate::group::{Further, Group, Member};
use crate::index::Index;
use crate::java::Java;
use crate::letters;
use crate::process::free_port;
use crate::product;
use crate::secure::{ALL_RIGHTS, BY_PLAIN, BY_TOKEN, SecureKafka};
use crate::stand_ins::StandIns;
use crate::table::Rows;
use crate::wait::until;
use crate::workspace::{Workspace, in_workspace_with};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A group on a broker that wants to know who comes.
struct Shop<'a> {
    workspace: &'a Workspace,
    servers: &'a SecureKafka,
    stand_ins: &'a StandIns,
    group: Group,
    index: Index,
    rows: Rows,
}

/// Where a member knocks, and what it shows.
struct Login {
    name: &'static str,
    brokers: String,
    security: String,
}

impl Shop<'_> {
    fn login(
        &self,
        name: &'static str,
        mechanism: &str,
        (user, password): (&str, &str),
    ) -> Result<Login> {
        let file = self
            .workspace
            .write(&format!("{name}-password"), password)?;
        Ok(Login {
            name,
            brokers: self.servers.sasl.clone(),
            security: format!(
                "[kafka.security]\nprotocol = \"sasl_ssl\"\nmechanism = \"{mechanism}\"\nusername = \"{user}\"\n\
                 password = {{ file = \"{file}\" }}\nca_file = \"{}\"\n",
                self.servers.authority.certificate
            ),
        })
    }

    fn token(&self) -> Result<Login> {
        let exp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3_600;
        let part = |json: String| BASE64_URL_SAFE_NO_PAD.encode(json);
        let head = part(r#"{"alg":"none"}"#.to_owned());
        let claims = part(format!(r#"{{"sub":"{BY_TOKEN}","exp":{exp}}}"#));
        let file = self
            .workspace
            .write("token", &format!("{head}.{claims}."))?;
        Ok(Login {
            name: "token",
            brokers: self.servers.sasl.clone(),
            security: format!(
                "[kafka.security]\nprotocol = \"sasl_ssl\"\nmechanism = \"OAUTHBEARER\"\n\
                 oauthbearer_token = {{ file = \"{file}\" }}\nca_file = \"{}\"\n",
                self.servers.authority.certificate
            ),
        })
    }

    fn certificate(
        &self,
        name: &'static str,
        authority: &Certificate,
        own: Option<&Certificate>,
    ) -> Login {
        let own = own.map_or_else(String::new, |own| {
            format!(
                "certificate_file = \"{}\"\nkey_file = \"{}\"\n",
                own.certificate, own.key
            )
        });
        Login {
            name,
            brokers: self.servers.mutual.clone(),
            security: format!(
                "[kafka.security]\nprotocol = \"ssl\"\nca_file = \"{}\"\n{own}",
                authority.certificate
            ),
        }
    }

    fn check(&self, login: &Login) -> Result<(Option<i32>, String)> {
        let file = self.group.configure_with(
            &format!("check-{}", login.name),
            self.workspace,
            &self.servers.kafka,
            self.stand_ins,
            free_port()?,
            login.further(),
        )?;
        check(&file)
    }

    fn start(&self, login: &Login) -> Result<Member> {
        let (kafka, further) = (&self.servers.kafka, login.further());
        self.group
            .start_member_with(login.name, self.workspace, kafka, self.stand_ins, further)
    }

    /// A further row and a further record that is none: both arrive where they belong, and all is committed.
    fn expect_work(&mut self, member: &mut Member) -> Result<()> {
        let Self { servers, group, .. } = *self;
        let (kafka, topic, dead) = (&servers.kafka, group.dialect.topic(), group.dead_letters());
        let written = letters::read(kafka, &dead)?.map_or(0, |letters| letters.len());
        self.create()?;
        kafka.produce(&topic, br#"{"id":3}"#, b"price: \xff")?;
        self.index.wait_until_equal(&self.rows, || {
            member.expect_running()?;
            Ok(group.lag(kafka)? == Some(0))
        })?;
        until("a dead letter", PATIENCE, || {
            let letters = letters::read(kafka, &dead)?.unwrap_or_default();
            Ok((letters.len() > written).then_some(()))
        })?;
        member.wait_for_lane("kafka ready").map(drop)
    }

    /// One more row in the topic.
    fn create(&mut self) -> Result<()> {
        let id = i64::try_from(self.rows.len())? + 1;
        let topic = self.group.dialect.topic();
        let (id, row) = product::create(&self.servers.kafka, &topic, id)?;
        self.rows.insert(id, row);
        Ok(())
    }
}

impl Login {
    fn further(&self) -> Further<'_> {
        Further {
            brokers: Some(&self.brokers),
            sections: &self.security,
            ..Further::default()
        }
    }
}

#[test]
#[ignore = "needs servers: make test-stack"]
fn over_each_login_rows_arrive_and_a_refusal_says_which_it_is_until_it_is_put_right() -> Result<()>
{
    in_workspace_with(&["kafka"], |workspace| {
        let java = Java::find(workspace)?;
        let servers = SecureKafka::start(workspace, &java)?;
        let stand_ins = StandIns::start(workspace)?;
        let group = Group {
            dialect: Dialect::Bare,
        };
        servers.kafka.create_topic(&group.dialect.topic(), 6)?;
        let mut shop = Shop {
            workspace,
            servers: &servers,
            stand_ins: &stand_ins,
            group,
            index: Index::connect(&stand_ins.qdrant_url(), group.collection())?,
            rows: Rows::new(),
        };
        let authority = &servers.authority;
        let own = authority.sign(workspace, "member")?;
        let other = Certificate::authority(workspace, "other-authority")?;
        let foreign = other.sign(workspace, "foreign")?;

        // Who logs in by a token can't make the topic of dead letters, and is told so.
        let by_token = shop.token()?;
        let (status, lines) = shop.check(&by_token)?;
        ensure!(status == Some(1), "{status:?}\n{lines}");
        ensure!(
            lines.contains("by who logs in by OAUTHBEARER: create it"),
            "{lines}"
        );
        servers.kafka.create_topic(&group.dead_letters(), 1)?;

        let by_certificate = shop.certificate("certificate", authority, Some(&own));
        for login in [
            &by_token,
            &shop.login("scram", "SCRAM-SHA-512", ALL_RIGHTS)?,
            &shop.login("plain", "PLAIN", BY_PLAIN)?,
            &by_certificate,
        ] {
            let (status, lines) = shop.check(login)?;
            ensure!(status == Some(0), "{}: {status:?}\n{lines}", login.name);
            let mut member = shop.start(login)?;
            shop.expect_work(&mut member)
                .with_context(|| login.name.to_owned())?;
            member.stop(PATIENCE)?;
        }

        // Each refusal, and what tells it from the others.
        let wrong = shop.login("wrong-password", "SCRAM-SHA-512", (ALL_RIGHTS.0, "guessed"))?;
        for (login, word) in [
            (&wrong, "the credentials: correct kafka.security"),
            (
                &shop.certificate("unknown-authority", &other, Some(&own)),
                "correct kafka.security.ca_file",
            ),
            (
                &shop.certificate("no-certificate", authority, None),
                "correct kafka.security.certificate_file",
            ),
            (
                &shop.certificate("foreign-certificate", authority, Some(&foreign)),
                "correct kafka.security.certificate_file",
            ),
        ] {
            let (status, lines) = shop.check(login)?;
            println!("check, {}:\n{lines}", login.name);
            ensure!(status == Some(1), "{}: {status:?}\n{lines}", login.name);
            let mut said = lines.lines().filter(|line| line.starts_with("✗ kafka"));
            ensure!(
                said.next().is_some_and(|line| line.contains(word)),
                "{lines}"
            );
            shop.create()?;
            let mut member = shop.start(login)?;
            let line = member.wait_for_lane("kafka blocked")?;
            println!("run, {}: {line}", login.name);
            ensure!(line.contains(word), "{line}");
            ensure!(group.lag(&servers.kafka)?.is_some_and(|lag| lag > 0));
            if login.name == wrong.name {
                // The brokers come to know the password: nothing is restarted.
                servers.set_password(&java, ALL_RIGHTS.0, "guessed")?;
                shop.expect_work(&mut member)?;
                member.stop(PATIENCE)?;
            } else {
                member.stop(PATIENCE)?;
                let mut mended = shop.start(&by_certificate)?;
                shop.expect_work(&mut mended)?;
                mended.stop(PATIENCE)?;
            }
        }
        Ok(())
    })
}
