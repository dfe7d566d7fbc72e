//! Whose key it is: some providers' keys begin with letters of their own.

/// Keys that begin so, whose they are, and the hosts that take them.
const OWNERS: [(&str, &str, &str); 10] = [
    ("sk-proj-", "OpenAI", "openai.com"),
    ("sk-svcacct-", "OpenAI", "openai.com"),
    ("sk-ant-", "Anthropic", "anthropic.com"),
    ("sk-or-", "OpenRouter", "openrouter.ai"),
    ("pa-", "Voyage AI", "voyageai.com"),
    ("jina_", "Jina AI", "jina.ai"),
    ("hf_", "Hugging Face", "huggingface.co"),
    ("gsk_", "Groq", "groq.com"),
    ("nvapi-", "NVIDIA", "nvidia.com"),
    ("AIza", "Google", "googleapis.com"),
];

/// A provider other than the one at `url` that `key` seems to be of, and how it can be told.
pub(super) fn foreign_owner(key: &str, url: &str) -> Option<(&'static str, &'static str)> {
    let (prefix, owner, host) = OWNERS
        .into_iter()
        .find(|(prefix, ..)| key.starts_with(prefix))?;
    (!url.contains(host)).then_some((owner, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_by_its_first_letters() {
        let openai = "https://api.openai.com/v1/embeddings";
        assert_eq!(foreign_owner("pa-1234", openai), Some(("Voyage AI", "pa-")));
        assert_eq!(foreign_owner("sk-proj-1234", openai), None);
        assert_eq!(
            foreign_owner("sk-proj-1234", "https://api.holysheep.ai/v1/embeddings"),
            Some(("OpenAI", "sk-proj-"))
        );
        // Many providers' keys begin like that.
        assert_eq!(
            foreign_owner("sk-1234", "https://api.holysheep.ai/v1"),
            None
        );
    }
}
