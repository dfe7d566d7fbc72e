//! Requests sent once each, by whoever measures them: no queue, no limits, nothing sent again.

use std::sync::Arc;

use super::{
    EmbedError, Settings,
    call::PROBE_TEXT,
    client::Client,
    refusal::Refusal,
    response::{self, Answer, BadAnswer},
};
use crate::{
    config::EncodingFormat,
    error::{Disposition, Failure},
    record::Vector,
};

/// An endpoint that is asked directly. A clone shares its connections.
#[derive(Debug, Clone)]
pub struct Once {
    client: Client,
    encoding: EncodingFormat,
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Bought {
    /// A vector for each text, in their order.
    pub vectors: Vec<Vector>,
    /// The tokens that the provider says it charged, if it does.
    pub charged: Option<u64>,
}

impl Bought {
    /// Reads the body of an answer to a request of `inputs` texts, of which each is to have a vector of
    /// `dimensions` numbers.
    pub fn read(body: &[u8], inputs: usize, dimensions: usize) -> Result<Self, BadAnswer> {
        let Answer { vectors, charged } = response::parse(body, inputs, dimensions)?;
        Ok(Self { vectors, charged })
    }
}

impl Once {
    /// Nothing is sent yet.
    pub fn new(settings: &Settings) -> Result<Self, EmbedError> {
        Ok(Self {
            client: Client::new(settings)?,
            encoding: settings.encoding_format,
        })
    }

    /// Asks for one vector of a word. Afterwards there is a connection, and vectors are asked for in
    /// an encoding that the endpoint knows.
    pub async fn warm_up(&mut self) -> Result<Bought, Failure> {
        let texts = [Arc::from(PROBE_TEXT)];
        let refused = match self.ask(&texts).await {
            Err(failure) if self.encoding == EncodingFormat::Base64 => failure,
            answered => return answered,
        };
        if refused.disposition != Disposition::Record {
            return Err(refused);
        }
        self.encoding = EncodingFormat::Float;
        self.ask(&texts).await
    }

    /// Sends one request, and reads its answer. The failure's disposition says whether the endpoint
    /// asks for patience, refuses these texts, refuses everything, or is out of order.
    pub async fn ask(&self, texts: &[Arc<str>]) -> Result<Bought, Failure> {
        let answer = self.client.call(texts, self.encoding).await.outcome;
        let Answer { vectors, charged } = answer.map_err(Refusal::into_failure)?;
        Ok(Bought { vectors, charged })
    }
}
