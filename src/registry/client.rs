//! Asking the registry once: every server in turn, and all that a schema refers to.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use reqwest::{Url, redirect};

use super::{
    RegistryError, Settings,
    answer::{self, Asked, Found, Reference},
};
use crate::{
    config::Secret,
    error::{Disposition, Failure},
    http::{USER_AGENT, explain, handshake::Place, is_loopback, read_body, retry_after, trust},
    record::{SchemaId, SchemaLanguage, WriterSchema},
};

/// The longest answer that is read, in bytes. The widest table's envelope takes a tenth of it.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// How many schemas one may refer to, directly or through others.
const MOST_REFERENCES: usize = 256;

/// The longest that connecting may take; a registry is near, and another may be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The path in front of Confluent's API at Apicurio's, and that of the API of its own that knows
/// global ids. Version 2 of it is served by both 2.x and 3.x.
const APICURIO_CONFLUENT: &str = "/apis/ccompat/";
const APICURIO_OWN: &str = "/apis/registry/v2";

/// A client of one registry, which may have several servers.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    servers: Vec<Server>,
    login: Option<(String, Secret)>,
    /// The server that answered last.
    preferred: AtomicUsize,
}

#[derive(Debug)]
struct Server {
    url: Url,
    /// The URL as it may be shown.
    shown: Box<str>,
}

/// Where the answer to a question is found.
#[derive(Debug, Clone)]
enum Path {
    /// Below the configured URL.
    Confluent(Vec<String>),
    /// In Apicurio's own API, beside it.
    GlobalId(u64),
}

/// On the way through the schemas that one refers to.
enum Step {
    Visit(Reference),
    Leave(Box<str>),
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, RegistryError> {
        if settings.urls.is_empty() {
            return Ok(None);
        }
        let servers = settings
            .urls
            .iter()
            .map(|url| Server::new(url))
            .collect::<Result<Vec<_>, _>>()?;
        let mut http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT))
            .redirect(redirect::Policy::none());
        http = trust(http, settings.authorities.as_deref()).map_err(RegistryError::Client)?;
        if servers.iter().all(|server| server.url.scheme() == "http") {
            http = http.tls_built_in_root_certs(false);
        }
        if servers.iter().all(|server| is_loopback(&server.url)) {
            http = http.no_proxy();
        }
        Ok(Some(Self {
            http: http.build().map_err(RegistryError::Client)?,
            servers,
            login: settings.login.clone(),
            preferred: AtomicUsize::new(0),
        }))
    }

    /// A schema with all that it refers to.
    pub(super) async fn schema(&self, id: SchemaId) -> Result<WriterSchema, Failure> {
        let what = id.to_string();
        let path = |segments: [&str; 3]| Path::Confluent(segments.map(str::to_owned).to_vec());
        let found = match id {
            SchemaId::Id(id) => self.find(path(["schemas", "ids", &id.to_string()]), &what),
            SchemaId::Guid(id) => self.find(path(["schemas", "guids", &id.to_string()]), &what),
            SchemaId::Global(id) => self.find(Path::GlobalId(id), &what),
        }
        .await?;
        let references = self.references(&found).await?;
        Ok(WriterSchema {
            language: found.language,
            text: found.text,
            references,
        })
    }

    /// The texts that a schema refers to, each behind those that it refers to itself.
    async fn references(&self, found: &Found) -> Result<Vec<Box<str>>, Failure> {
        if found.language != SchemaLanguage::Avro {
            return Ok(Vec::new());
        }
        let mut texts = Vec::new();
        let mut seen: HashSet<Reference> = HashSet::new();
        let mut steps: Vec<Step> = found
            .references
            .iter()
            .rev()
            .cloned()
            .map(Step::Visit)
            .collect();
        while let Some(step) = steps.pop() {
            let reference = match step {
                Step::Leave(text) => {
                    texts.push(text);
                    continue;
                }
                Step::Visit(reference) => reference,
            };
            if !seen.insert(reference.clone()) {
                continue;
            }
            if seen.len() > MOST_REFERENCES {
                return Err(Failure::record(
                    "unusable_schema",
                    format!("the schema refers to more than {MOST_REFERENCES} others"),
                ));
            }
            let Reference { subject, version } = reference;
            let what = format!("version {version} of subject {}", subject.escape_debug());
            let segments = ["subjects", &subject, "versions", &version.to_string()];
            let path = Path::Confluent(segments.map(str::to_owned).to_vec());
            let found = self.find(path, &what).await?;
            steps.push(Step::Leave(found.text));
            steps.extend(found.references.into_iter().rev().map(Step::Visit));
        }
        Ok(texts)
    }

    async fn find(&self, path: Path, what: &str) -> Result<Found, Failure> {
        let read = match path {
            Path::Confluent(_) => answer::schema,
            Path::GlobalId(_) => answer::bare_schema,
        };
        self.ask(&path, what, read).await
    }

    /// Whether there is a registry, and it lets us read.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let path = Path::Confluent(vec!["schemas".to_owned(), "types".to_owned()]);
        self.ask(&path, "its types of schemas", answer::types).await
    }

    /// Asks one server after the other, beginning with the one that answered last, until one
    /// answers, or says that there is no such thing. Of several failures the one that needs a
    /// person is told.
    async fn ask<T>(
        &self,
        path: &Path,
        what: &str,
        read: fn(Asked<'_>, &[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let first = self.preferred.load(Ordering::Relaxed);
        let in_turn = self.servers.iter().enumerate().cycle().skip(first);
        let mut worst: Option<Failure> = None;
        for (number, server) in in_turn.take(self.servers.len()) {
            let asked = Asked {
                registry: &server.shown,
                what,
            };
            match self
                .get(server, path, asked)
                .await
                .and_then(|body| read(asked, &body))
            {
                Err(failure) if failure.disposition != Disposition::Record => {
                    let is_worse = failure.disposition == Disposition::Blocked
                        && worst
                            .as_ref()
                            .is_some_and(|worst| worst.disposition != Disposition::Blocked);
                    if worst.is_none() || is_worse {
                        worst = Some(failure);
                    }
                }
                answered => {
                    self.preferred.store(number, Ordering::Relaxed);
                    return answered;
                }
            }
        }
        Err(worst.unwrap_or_else(no_registry))
    }

    async fn get(
        &self,
        server: &Server,
        path: &Path,
        asked: Asked<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let url = server.at(path).ok_or_else(|| {
            Failure::blocked(
                "global_id",
                format!(
                    "{} names its schema by Apicurio's global id, which Confluent's API does not know: let registry.urls end in {APICURIO_CONFLUENT}v7, or the producer use content ids (apicurio.registry.use-id=contentId)",
                    asked.what
                ),
            )
        })?;
        let unreachable = |error: reqwest::Error| {
            let server = format!("the schema registry {}", asked.registry);
            let place = Place {
                server: &server,
                url_key: "registry.urls",
                ca_key: "registry.ca_file",
                our_certificate: "Vectide has none for it, so let a gateway in between show one",
            };
            if let Some(failure) = place.blocked(&error) {
                return failure;
            }
            let reason = if error.is_timeout() { "timeout" } else { "io" };
            Failure::transient(
                reason,
                format!("{server} can't be reached: {}", explain(error)),
            )
        };
        let mut request = self.http.get(url);
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.expose()));
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let after = retry_after(response.headers(), SystemTime::now());
        let status = response.status();
        let (body, is_whole) = read_body(&mut response, ANSWER_LIMIT)
            .await
            .map_err(unreachable)?;
        if !status.is_success() {
            // Some gateways repeat the login they refuse.
            let body = match &self.login {
                Some((user, password)) => password
                    .hide_in(Some(user), &String::from_utf8_lossy(&body))
                    .into_bytes(),
                None => body,
            };
            return Err(answer::refusal(asked, status, after, &body));
        }
        if !is_whole {
            return Err(Failure::blocked(
                "answer_too_long",
                format!(
                    "the schema registry {} answers with more than {ANSWER_LIMIT} bytes for {}: is registry.urls right?",
                    asked.registry, asked.what
                ),
            ));
        }
        Ok(body)
    }
}

impl Server {
    fn new(text: &str) -> Result<Self, RegistryError> {
        let wrong = |reason: String| RegistryError::Url {
            url: text.to_owned(),
            reason,
        };
        let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it starts with neither http:// nor https://".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RegistryError::Credentials);
        }
        let shown = url.as_str().trim_end_matches('/').into();
        Ok(Self { url, shown })
    }

    /// Where this server has what is asked for; `None` if it has no such place.
    fn at(&self, path: &Path) -> Option<Url> {
        let mut url = self.url.clone();
        let segments = match path {
            Path::Confluent(segments) => segments.clone(),
            Path::GlobalId(id) => {
                let (before, _) = self.url.path().split_once(APICURIO_CONFLUENT)?;
                url.set_path(&format!("{before}{APICURIO_OWN}"));
                // What it refers to comes with it.
                url.set_query(Some("dereference=true"));
                ["ids", "globalIds", &id.to_string()]
                    .map(str::to_owned)
                    .to_vec()
            }
        };
        url.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(segments);
        Some(url)
    }
}

/// What a record that needs a schema comes to where there is no registry: the configuration's
/// fault, not the record's.
pub(super) fn no_registry() -> Failure {
    Failure::blocked(
        "no_registry",
        "a record was written with a schema of a schema registry: name the registry in registry.urls and restart",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn url(base: &str, path: &Path) -> Option<String> {
        Server::new(base).unwrap().at(path).map(String::from)
    }

    #[test]
    fn a_question_goes_below_the_configured_path_and_is_escaped() {
        let path = Path::Confluent(
            ["subjects", "a/b c", "versions", "1"]
                .map(str::to_owned)
                .to_vec(),
        );
        for base in [
            "http://r:8081/apis/ccompat/v7",
            "http://r:8081/apis/ccompat/v7/",
        ] {
            assert_eq!(
                url(base, &path).as_deref(),
                Some("http://r:8081/apis/ccompat/v7/subjects/a%2Fb%20c/versions/1")
            );
        }
    }

    #[test]
    fn global_ids_are_asked_of_apicurios_own_api() {
        assert_eq!(
            url("https://r/x/apis/ccompat/v7", &Path::GlobalId(7)).as_deref(),
            Some("https://r/x/apis/registry/v2/ids/globalIds/7?dereference=true")
        );
        assert_eq!(url("https://r/", &Path::GlobalId(7)), None);
    }
}
