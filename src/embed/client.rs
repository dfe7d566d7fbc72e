//! One request to the endpoint and its answer: the wire, and nothing about when or how often.

use std::{sync::Arc, time::SystemTime};

use reqwest::{
    Response, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    EmbedError, Proxy, Settings,
    complaint::Complaint,
    refusal::{self, Asked, Blame, Refusal},
    response::{self, Answer, BadAnswer},
};
use crate::{
    config::{EncodingFormat, Secret},
    error::Failure,
    http::{
        RateLimits, USER_AGENT, explain, handshake::Place, is_loopback, rate_limits, read_body,
        retry_after, trust,
    },
};

/// How much of an error's body is read, in bytes.
const COMPLAINT_LIMIT: usize = 64 * 1024;

/// Answers longer than this, in bytes, are read off the runtime's threads: it takes milliseconds.
const READ_ASIDE: usize = 64 * 1024;

/// A client of one endpoint. A clone shares its connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) outcome: Result<Answer, Refusal>,
    /// What the endpoint says of its limits; nothing where no answer came.
    pub(super) limits: RateLimits,
    /// What the provider calls the request: its header `x-request-id`.
    pub(super) id: Option<Box<str>>,
}

#[derive(Debug)]
struct Endpoint {
    url: Url,
    /// The URL as it may be shown.
    shown: String,
    key: Option<Secret>,
    /// User name and password of the proxy.
    proxy_login: Option<(String, Secret)>,
    model: String,
    dimensions: u32,
    send_dimensions: bool,
    /// Further fields of a request's body.
    further: Map<String, Value>,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, EmbedError> {
        let (url, shown) = endpoint_url(settings)?;
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(key) = &settings.api_key {
            let (name, value) = key_header(&settings.api_key_header, key)?;
            headers.insert(name, value);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout)
            .pool_max_idle_per_host(settings.concurrency)
            // A redirected POST would arrive as a GET, and the key in a header of its own would
            // follow it to any host.
            .redirect(redirect::Policy::none());
        http = trust(http, settings.authorities.as_deref()).map_err(EmbedError::Client)?;
        if url.scheme() == "http" && settings.proxy.is_none() {
            http = http.tls_built_in_root_certs(false);
        }
        if let Some(proxy) = &settings.proxy {
            http = http.proxy(through(proxy).map_err(EmbedError::Proxy)?);
        } else if is_loopback(&url) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(EmbedError::Client)?,
            endpoint: Arc::new(Endpoint {
                url,
                shown,
                key: settings.api_key.clone(),
                proxy_login: settings.proxy.as_ref().and_then(|it| it.login.clone()),
                model: settings.model.clone(),
                dimensions: settings.dimensions,
                send_dimensions: settings.send_dimensions,
                further: settings.body.clone(),
            }),
        })
    }

    /// Sends `texts` once and reads the answer: a vector for each, in their order.
    pub(super) async fn call(&self, texts: &[Arc<str>], encoding: EncodingFormat) -> Reply {
        let endpoint = &self.endpoint;
        let mut request = self.http.post(endpoint.url.clone());
        if encoding == EncodingFormat::Base64 {
            // Vectors in base64 shrink by a quarter, and inflating them would take more time than
            // everything else that is done to a row. Numbers shrink by more than half.
            request = request.header(ACCEPT_ENCODING, "identity");
        }
        let response = match request.body(endpoint.body(texts, encoding)).send().await {
            Ok(response) => response,
            Err(error) => {
                return Reply {
                    outcome: Err(endpoint.outage(error)),
                    limits: RateLimits::default(),
                    id: None,
                };
            }
        };
        let limits = rate_limits(response.headers());
        let id = response.headers().get("x-request-id");
        let id = id.and_then(|id| id.to_str().ok()).map(Into::into);
        let outcome = if response.status().is_success() {
            self.read_answer(response, texts.len()).await
        } else {
            Err(self.read_refusal(response).await)
        };
        Reply {
            outcome,
            limits,
            id,
        }
    }

    async fn read_answer(&self, mut response: Response, inputs: usize) -> Result<Answer, Refusal> {
        let dimensions = self.endpoint.dimensions as usize;
        // A number takes at most 25 characters as JSON; an honest answer never comes near this.
        let limit = (inputs * dimensions).saturating_mul(32) + COMPLAINT_LIMIT;
        let body = match read_body(&mut response, limit).await {
            Ok((body, true)) => body,
            Ok((_, false)) => {
                return Err(self.endpoint.malformed(&format!("more than {limit} bytes")));
            }
            Err(error) => return Err(self.endpoint.outage(error)),
        };
        let is_long = body.len() > READ_ASIDE;
        let client = self.clone();
        let read = move || {
            response::parse(&body, inputs, dimensions)
                .map_err(|error| client.endpoint.bad_answer(&error, &body))
        };
        if !is_long {
            return read();
        }
        match tokio::task::spawn_blocking(read).await {
            Ok(answer) => answer,
            Err(_) => Err(self.endpoint.malformed("reading it failed")),
        }
    }

    async fn read_refusal(&self, mut response: Response) -> Refusal {
        let status = response.status();
        let after = retry_after(response.headers(), SystemTime::now());
        // The status says enough where the explanation breaks off.
        let (body, _) = read_body(&mut response, COMPLAINT_LIMIT)
            .await
            .unwrap_or_default();
        let complaint = self.endpoint.complaint(&body);
        let endpoint = &self.endpoint;
        let asked = Asked {
            url: &endpoint.shown,
            model: &endpoint.model,
            dimensions: endpoint.send_dimensions.then_some(endpoint.dimensions),
            key: endpoint.key.as_ref().map(Secret::expose),
        };
        refusal::read(status, after, &complaint, asked)
    }
}

impl Endpoint {
    /// The request's body, written once: the texts are copied from where they are to where they
    /// are sent from.
    fn body(&self, texts: &[Arc<str>], encoding: EncodingFormat) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            model: &'a str,
            input: Inputs<'a>,
            encoding_format: EncodingFormat,
            #[serde(skip_serializing_if = "Option::is_none")]
            dimensions: Option<u32>,
            #[serde(flatten)]
            further: &'a Map<String, Value>,
        }
        let length: usize = texts
            .iter()
            .map(|text| text.len() + text.len() / 16 + 3)
            .sum();
        let mut body = Vec::with_capacity(length + self.model.len() + 128);
        let request = Body {
            model: &self.model,
            input: Inputs(texts),
            encoding_format: encoding,
            dimensions: self.send_dimensions.then_some(self.dimensions),
            further: &self.further,
        };
        serde_json::to_writer(&mut body, &request).expect("strings and numbers are always JSON");
        body
    }

    fn complaint(&self, body: &[u8]) -> Complaint {
        Complaint::read_hiding(body, |said| {
            let said = match &self.key {
                Some(key) => key.hide_in(None, said),
                None => said.to_owned(),
            };
            match &self.proxy_login {
                Some((user, password)) => password.hide_in(Some(user), &said),
                None => said,
            }
        })
    }

    /// What a request comes to that got no answer, or broke off.
    fn outage(&self, error: reqwest::Error) -> Refusal {
        let server = format!("the embedding endpoint {}", self.shown);
        if let Some(failure) = place(&server).blocked(&error) {
            return Refusal::Blocked(failure);
        }
        let (reason, blame) = if error.is_connect() {
            ("connect", Blame::Endpoint)
        } else if error.is_timeout() {
            ("timeout", Blame::Size)
        } else {
            ("io", Blame::Endpoint)
        };
        let message = format!("{server} can't be reached: {}", explain(error));
        Refusal::Outage {
            failure: Failure::transient(reason, message),
            after: None,
            blame,
        }
    }

    fn bad_answer(&self, error: &BadAnswer, body: &[u8]) -> Refusal {
        match error {
            // Some gateways say what is wrong with status 200.
            BadAnswer::Malformed(why) if body.len() <= COMPLAINT_LIMIT => {
                match self.complaint(body).message() {
                    Some(said) => self.malformed(&format!("{why}; it says: {said}")),
                    None => self.malformed(why),
                }
            }
            BadAnswer::Malformed(why) => self.malformed(why),
            BadAnswer::WrongLength { found } => Refusal::Blocked(Failure::blocked(
                "wrong_length",
                format!(
                    "the model \"{}\" makes vectors of length {found}, and embed.dimensions is {}: \
                     correct the one or the other ({} answered)",
                    self.model, self.dimensions, self.shown
                ),
            )),
        }
    }

    fn malformed(&self, why: &str) -> Refusal {
        Refusal::Outage {
            failure: Failure::transient(
                "malformed_answer",
                format!(
                    "the embedding endpoint {} gives a malformed answer: {why}",
                    self.shown
                ),
            ),
            after: None,
            blame: Blame::Inputs,
        }
    }
}

/// What is corrected where no encrypted connection to `server` comes about.
fn place(server: &str) -> Place<'_> {
    Place {
        server,
        url_key: "embed.url",
        ca_key: "embed.ca_file",
        our_certificate: "Vectide has none for it, so let a gateway in between show one",
    }
}

/// The texts of a request as a JSON array.
struct Inputs<'a>(&'a [Arc<str>]);

impl Serialize for Inputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|text| &**text))
    }
}

/// The URL that requests go to, and what of it may be shown.
fn endpoint_url(settings: &Settings) -> Result<(Url, String), EmbedError> {
    let wrong = |reason: String| EmbedError::Url {
        url: settings.url.clone(),
        reason,
    };
    let mut url = Url::parse(&settings.url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it starts with neither http:// nor https://".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EmbedError::Credentials);
    }
    url.path_segments_mut()
        .map_err(|()| wrong("it has no path".into()))?
        .pop_if_empty()
        .push("embeddings");
    let mut shown = url.clone();
    shown.set_query(None);
    if !settings.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&settings.query);
    }
    Ok((url, shown.into()))
}

fn through(proxy: &Proxy) -> reqwest::Result<reqwest::Proxy> {
    let through = reqwest::Proxy::all(&proxy.url)?;
    Ok(match &proxy.login {
        Some((user, password)) => through.basic_auth(user, password.expose()),
        None => through,
    })
}

fn key_header(name: &str, key: &Secret) -> Result<(HeaderName, HeaderValue), EmbedError> {
    let name: HeaderName = name
        .parse()
        .map_err(|_| EmbedError::KeyHeader(name.to_owned()))?;
    let value = if name == AUTHORIZATION {
        HeaderValue::try_from(format!("Bearer {}", key.expose()))
    } else {
        HeaderValue::try_from(key.expose())
    };
    let mut value = value.map_err(|_| EmbedError::Key)?;
    value.set_sensitive(true);
    Ok((name, value))
}
