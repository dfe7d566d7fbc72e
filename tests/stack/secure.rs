//! A broker that wants to know who comes: by SASL over TLS, or by a certificate; and what it allows whom.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};

use crate::certificates::Certificate;
use crate::java::Java;
use crate::kafka::{Doors, Kafka};
use crate::process::free_port;
use crate::records::REQUEST;
use crate::workspace::Workspace;

/// A user with all rights, by SCRAM.
pub(crate) const ALL_RIGHTS: (&str, &str) = ("vectide", "scram-secret");
/// A user with all rights, by PLAIN.
pub(crate) const BY_PLAIN: (&str, &str) = ("plain", "plain-secret");
/// A user with all rights, by a token that nobody signed: brokers take such tokens where no other check is
/// configured.
pub(crate) const BY_TOKEN: &str = "tokened";
/// A user with no right at all, by SCRAM.
pub(crate) const GUEST: (&str, &str) = ("guest", "guest-secret");

/// The broker, and what belongs to its doors.
pub(crate) struct SecureKafka {
    /// The broker; its listener that wants no login has all rights.
    pub(crate) kafka: Kafka,
    /// Who signed the broker's certificate.
    pub(crate) authority: Certificate,
    /// Where it wants SASL.
    pub(crate) sasl: String,
    /// Where it wants a certificate of the client's.
    pub(crate) mutual: String,
}

impl SecureKafka {
    /// Makes the certificates and starts the broker.
    pub(crate) fn start(workspace: &Workspace, java: &Java) -> Result<Self> {
        let authority = Certificate::authority(workspace, "authority")?;
        let broker = authority.sign(workspace, "broker")?;
        let store = broker.together(workspace, "broker-store.pem")?;
        let (sasl, mutual) = (free_port()?, free_port()?);
        let login = "org.apache.kafka.common.security";
        let (plain, plain_password) = BY_PLAIN;
        let properties = format!(
            "inter.broker.listener.name=PLAINTEXT\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.location={store}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={trust}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{plain}=\"{plain_password}\";\n\
             listener.name.sasl_ssl.oauthbearer.sasl.jaas.config={login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS;User:{all};User:{plain};User:{BY_TOKEN};User:CN=member\n",
            trust = authority.certificate,
            all = ALL_RIGHTS.0,
        );
        let doors = Doors {
            listeners: vec![("SASL_SSL", sasl), ("SSL", mutual)],
            properties,
            users: [ALL_RIGHTS, GUEST]
                .map(|(name, password)| format!("SCRAM-SHA-512=[name={name},password={password}]"))
                .into(),
        };
        Ok(Self {
            kafka: Kafka::start_with(workspace, java, &doors)?,
            authority,
            sasl: format!("127.0.0.1:{sasl}"),
            mutual: format!("127.0.0.1:{mutual}"),
        })
    }

    /// Gives a user, new or not, this password for SCRAM-SHA-512.
    pub(crate) fn set_password(&self, java: &Java, name: &str, password: &str) -> Result<()> {
        let change = format!("SCRAM-SHA-512=[password={password}]");
        let main = [
            "kafka.admin.ConfigCommand",
            "--bootstrap-server",
            self.kafka.brokers(),
            "--alter",
            "--entity-type",
            "users",
            "--entity-name",
            name,
            "--add-config",
            &change,
        ];
        java.run("kafka-configs", &main).map(drop)
    }

    /// Allows a user something.
    ///
    /// By the protocol's own CreateAcls: librdkafka has it, and rust-rdkafka does not.
    pub(crate) fn allow(&self, user: &str, operation: Operation, resource: Resource) -> Result<()> {
        const CREATE_ACLS: u16 = 30;
        const LITERAL: u8 = 3;
        const ALLOW: u8 = 3;
        let (kind, name) = match resource {
            Resource::Topic(name) => (2, name),
            Resource::Group(name) => (3, name),
        };
        let mut request = Vec::new();
        request.extend(CREATE_ACLS.to_be_bytes());
        // The version, a number to know the answer by, who asks, and how many rights.
        request.extend(1_u16.to_be_bytes());
        request.extend(1_u32.to_be_bytes());
        put_text(&mut request, "test")?;
        request.extend(1_u32.to_be_bytes());
        request.push(kind);
        put_text(&mut request, name)?;
        request.push(LITERAL);
        put_text(&mut request, &format!("User:{user}"))?;
        put_text(&mut request, "*")?;
        request.extend([operation as u8, ALLOW]);

        let mut connection = TcpStream::connect(self.kafka.brokers())?;
        connection.set_read_timeout(Some(REQUEST))?;
        let length = u32::try_from(request.len())?;
        connection.write_all(&length.to_be_bytes())?;
        connection.write_all(&request)?;
        // Its length, the number, the throttle time, how many results, and the result's error.
        let mut answer = [0; 4 + 4 + 4 + 4 + 2];
        connection.read_exact(&mut answer)?;
        ensure!(answer.ends_with(&[0, 0, 0, 1, 0, 0]), "{answer:?}");
        Ok(())
    }
}

/// What may be done, by its number in Kafka's protocol.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Reading, which includes describing.
    Read = 3,
    /// Writing, which includes describing.
    Write = 4,
    /// Making.
    Create = 5,
}

/// What it may be done to.
#[derive(Clone, Copy)]
pub(crate) enum Resource<'a> {
    /// The topic of this name.
    Topic(&'a str),
    /// The consumer group of this name.
    Group(&'a str),
}

fn put_text(request: &mut Vec<u8>, text: &str) -> Result<()> {
    request.extend(u16::try_from(text.len())?.to_be_bytes());
    request.extend(text.as_bytes());
    Ok(())
}
