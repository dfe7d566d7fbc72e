//! Savings as they are met: counted by texts and bytes, for nobody counts the tokens of a text that
//! is not bought.

use super::account::Saving;

/// Texts and bytes that were not bought. Adding to it costs next to nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Savings {
    unchanged: Texts,
    payload_only: Texts,
    collapsed: Texts,
    duplicate: Texts,
}

/// Texts, and their bytes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Texts {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Savings {
    /// Counts one text.
    pub fn add(&mut self, saving: Saving, text: &str) {
        let texts = self.of(saving);
        texts.count += 1;
        texts.bytes += text.len() as u64;
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: Self) {
        for (saving, texts) in other.all() {
            let own = self.of(saving);
            own.count += texts.count;
            own.bytes += texts.bytes;
        }
    }

    /// Takes out what was counted so far.
    #[must_use = "what is taken out is counted nowhere else"]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Whether nothing was saved.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many texts of these kinds.
    pub fn count(self, kinds: &[Saving]) -> u64 {
        let all = self.all().into_iter();
        let counted = all.filter(|(saving, _)| kinds.contains(saving));
        counted.map(|(_, texts)| texts.count).sum()
    }

    /// Each kind.
    pub fn all(self) -> [(Saving, Texts); 4] {
        [
            (Saving::Unchanged, self.unchanged),
            (Saving::PayloadOnly, self.payload_only),
            (Saving::Collapsed, self.collapsed),
            (Saving::Duplicate, self.duplicate),
        ]
    }

    fn of(&mut self, saving: Saving) -> &mut Texts {
        match saving {
            Saving::Unchanged => &mut self.unchanged,
            Saving::PayloadOnly => &mut self.payload_only,
            Saving::Collapsed => &mut self.collapsed,
            Saving::Duplicate => &mut self.duplicate,
        }
    }
}
