//! Why no encrypted connection to an HTTP server comes about. Pure.
//!
//! Waiting mends none of what is told apart here, so it blocks a lane, which says what to correct. It is tried
//! again all the same: certificates are renewed without anybody touching this program.

use std::{error::Error, fmt, io};

use rustls::{AlertDescription as Alert, CertificateError, Error as TlsError, InvalidMessage};

use crate::error::Failure;

/// What a server says of the certificate that it was shown, or that it misses.
const ABOUT_OUR_CERTIFICATE: [Alert; 9] = [
    Alert::CertificateRequired,
    Alert::BadCertificate,
    Alert::UnsupportedCertificate,
    Alert::CertificateRevoked,
    Alert::CertificateExpired,
    Alert::CertificateUnknown,
    Alert::UnknownCA,
    Alert::AccessDenied,
    Alert::NoCertificate,
];

/// What a server says that will not talk to this client, whatever it is shown.
const REFUSALS: [Alert; 4] = [
    Alert::HandshakeFailure,
    Alert::ProtocolVersion,
    Alert::InsufficientSecurity,
    Alert::UnrecognisedName,
];

/// What is wrong with the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nobody who is trusted signed the server's certificate.
    Untrusted,
    /// Its time is over, or has not come.
    OutOfDate,
    /// It is another server's.
    OtherName,
    /// There is something else about it.
    Unusable,
    /// The server does not take this client's certificate, or misses one.
    OurCertificate,
    /// The server will not talk to this client.
    Refused,
    /// It is not TLS that the server speaks.
    NotTls,
}

/// What a person would correct: the server, and the keys of the configuration that are about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// `the schema registry https://…`.
    pub(crate) server: &'a str,
    pub(crate) url_key: &'a str,
    pub(crate) ca_key: &'a str,
    /// What to do where a certificate of this client's is wanted.
    pub(crate) our_certificate: &'a str,
}

impl Place<'_> {
    /// What an error of a connection to this place comes to; `None` where the handshake is not to blame, and where
    /// it may go well the next time.
    pub(crate) fn blocked(&self, error: &(dyn Error + 'static)) -> Option<Failure> {
        let mut causes = std::iter::successors(Some(error), |it| cause(*it));
        let (fault, said) = causes.find_map(|it| Some((fault(it)?, it.to_string())))?;
        let advice = self.advice(fault);
        let message = format!(
            "no encrypted connection to {} comes about: {advice} ({said})",
            self.server
        );
        Some(Failure::blocked("tls", message))
    }

    fn advice(&self, fault: Fault) -> impl fmt::Display {
        let Self {
            url_key,
            ca_key,
            our_certificate,
            ..
        } = self;
        match fault {
            Fault::Untrusted => {
                format!("its certificate is signed by nobody who is trusted: correct {ca_key}")
            }
            Fault::OutOfDate => {
                "its certificate has expired, or is not valid yet: renew it, or set this machine's clock right"
                    .to_owned()
            }
            Fault::OtherName => format!(
                "its certificate is not for this address: correct {url_key}, or the certificate"
            ),
            Fault::Unusable => {
                format!("its certificate can't be used: replace it, or correct {ca_key}")
            }
            Fault::OurCertificate => {
                format!("it wants a client certificate that it trusts: {our_certificate}")
            }
            Fault::Refused => {
                format!("it refuses this client: correct {url_key}, or what the server demands")
            }
            Fault::NotTls => {
                format!("what answers speaks no TLS: correct the port in {url_key}, or its https://")
            }
        }
    }
}

/// The next cause. What an [`io::Error`] carries is passed over by its `source`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        return Some(inner);
    }
    error.source()
}

fn fault(error: &(dyn Error + 'static)) -> Option<Fault> {
    match error.downcast_ref::<TlsError>() {
        Some(error) => of_tls(error),
        // In TLS 1.3 a certificate is refused after the handshake, when HTTP/2 is spoken already: of such an
        // error it keeps nothing but the words.
        None if error.source().is_none() => of_alert(&error.to_string()),
        None => None,
    }
}

fn of_tls(error: &TlsError) -> Option<Fault> {
    Some(match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => Fault::Untrusted,
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Fault::OutOfDate,
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Fault::OtherName,
        TlsError::InvalidCertificate(_) => Fault::Unusable,
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => Fault::NotTls,
        TlsError::PeerIncompatible(_) => Fault::Refused,
        TlsError::AlertReceived(alert) if ABOUT_OUR_CERTIFICATE.contains(alert) => {
            Fault::OurCertificate
        }
        TlsError::AlertReceived(alert) if REFUSALS.contains(alert) => Fault::Refused,
        // A server that is just starting, or that breaks off.
        _ => return None,
    })
}

fn of_alert(said: &str) -> Option<Fault> {
    let is_one_of = |alerts: &[Alert]| {
        let mut words = alerts
            .iter()
            .map(|it| TlsError::AlertReceived(*it).to_string());
        words.any(|words| said.ends_with(&words))
    };
    if is_one_of(&ABOUT_OUR_CERTIFICATE) {
        Some(Fault::OurCertificate)
    } else if is_one_of(&REFUSALS) {
        Some(Fault::Refused)
    } else {
        None
    }
}

/// What each fault comes to.
#[cfg(test)]
pub(crate) fn dispositions() -> Vec<(String, Failure)> {
    let place = Place {
        server: "a server",
        url_key: "url",
        ca_key: "ca_file",
        our_certificate: "correct certificate_file",
    };
    let told = [
        (
            "a certificate that nobody trusted signed",
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer),
        ),
        (
            "a certificate that has expired",
            TlsError::InvalidCertificate(CertificateError::Expired),
        ),
        (
            "a certificate for another name",
            TlsError::InvalidCertificate(CertificateError::NotValidForName),
        ),
        (
            "any other fault of the certificate",
            TlsError::InvalidCertificate(CertificateError::BadSignature),
        ),
        (
            "a client certificate is missing or refused",
            TlsError::AlertReceived(Alert::CertificateRequired),
        ),
        (
            "the server refuses the handshake",
            TlsError::AlertReceived(Alert::HandshakeFailure),
        ),
        (
            "the server speaks no TLS",
            TlsError::InvalidMessage(InvalidMessage::InvalidContentType),
        ),
        (
            "a handshake that breaks off",
            TlsError::AlertReceived(Alert::InternalError),
        ),
    ];
    let told = told.into_iter().map(|(what, error)| {
        let failure = place.blocked(&error);
        let outage = || Failure::transient("io", error.to_string());
        (what.to_owned(), failure.unwrap_or_else(outage))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{sync::Arc, time::Duration};

    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
        server::WebPkiClientVerifier,
        time_provider::TimeProvider,
    };

    use super::*;

    /// A certificate for the loopback interface that is its own authority, and its key.
    const CERTIFICATE: &[u8] = include_bytes!("../embed/tests/endpoint.pem");
    const KEY: &[u8] = include_bytes!("../embed/tests/endpoint.key");

    const PLACE: Place<'_> = Place {
        server: "Qdrant https://localhost:6334",
        url_key: "index.url",
        ca_key: "index.ca_file",
        our_certificate: "correct index.certificate_file",
    };

    #[derive(Debug)]
    struct At(Duration);

    impl TimeProvider for At {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(self.0))
        }
    }

    fn certificate() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(CERTIFICATE).unwrap()
    }

    fn trusting() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(certificate()).unwrap();
        roots
    }

    fn server(wants_certificate: bool) -> ServerConnection {
        let config = ServerConfig::builder();
        let config = if wants_certificate {
            let verifier = WebPkiClientVerifier::builder(Arc::new(trusting()));
            config.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let config = config.with_single_cert(vec![certificate()], key).unwrap();
        ServerConnection::new(Arc::new(config)).unwrap()
    }

    fn client(roots: RootCertStore, name: &'static str, at: UnixTime) -> ClientConnection {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let time = Arc::new(At(Duration::from_secs(at.as_secs())));
        let config = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap()
    }

    /// What the client makes of all that both send.
    fn shake_hands(mut client: ClientConnection, mut server: ServerConnection) -> Option<TlsError> {
        for _ in 0..4 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut &*wire).unwrap();
            // The server's own trouble is told to the client by an alert.
            let _ = server.process_new_packets();
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            client.read_tls(&mut &*wire).unwrap();
            if let Err(error) = client.process_new_packets() {
                return Some(error);
            }
        }
        None
    }

    /// As the clients pass it on: an error of the transport around the error of the encryption.
    fn message(error: TlsError) -> String {
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        let failure = PLACE.blocked(&error).unwrap();
        assert_eq!(failure.reason, "tls");
        failure.message
    }

    #[test]
    fn each_fault_of_a_certificate_says_what_to_correct() {
        let now = UnixTime::now();
        let long_after = UnixTime::since_unix_epoch(Duration::from_secs(100_000_000_000));
        let fine = client(trusting(), "localhost", now);
        assert_eq!(shake_hands(fine, server(false)), None);
        for (client, server, advice) in [
            (
                client(RootCertStore::empty(), "localhost", now),
                server(false),
                "correct index.ca_file",
            ),
            (
                client(trusting(), "localhost", long_after),
                server(false),
                "has expired",
            ),
            (
                client(trusting(), "elsewhere.example", now),
                server(false),
                "correct index.url, or the certificate",
            ),
            (
                client(trusting(), "localhost", now),
                server(true),
                "correct index.certificate_file",
            ),
        ] {
            let message = message(shake_hands(client, server).unwrap());
            assert!(message.contains(advice), "{advice}: {message}");
        }
    }

    #[test]
    fn a_server_that_speaks_no_tls_is_told_from_one_that_breaks_off() {
        let mut client = client(trusting(), "localhost", UnixTime::now());
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        client.read_tls(&mut &answer[..]).unwrap();
        let error = client.process_new_packets().unwrap_err();
        assert!(message(error).contains("speaks no TLS"));
        for outage in [
            io::Error::from(io::ErrorKind::UnexpectedEof),
            io::Error::other("connection reset by peer"),
            io::Error::other(TlsError::AlertReceived(Alert::InternalError)),
        ] {
            assert_eq!(PLACE.blocked(&outage), None, "{outage}");
        }
    }

    #[test]
    fn an_alert_is_known_by_its_words_where_they_are_all_that_is_left() {
        let words = TlsError::AlertReceived(Alert::CertificateRequired).to_string();
        let failure = PLACE.blocked(&io::Error::other(words)).unwrap();
        assert!(failure.message.contains("correct index.certificate_file"));
    }
}
