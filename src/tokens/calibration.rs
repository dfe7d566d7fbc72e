//! An estimate of tokens from characters, corrected by what providers charge.
//!
//! Subword tokenizers make about one token of four ASCII characters, one of two characters of other
//! alphabets, and one of each character beyond those (Chinese, Japanese, emoji). How far a model is
//! from that is one ratio.

/// Quarters of a token whose charges are remembered: older ones count less and less.
const MEMORY: f64 = 400_000.0;

/// Quarters of a token that the uncorrected estimate counts for: one odd answer does not tell much.
const PRIOR: f64 = 4_000.0;

/// How many times less or more than estimated a provider is believed to charge.
const LEAST: f64 = 0.25;
const MOST: f64 = 8.0;

/// Quarters of a token seen, and what was charged for them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calibration {
    estimated: f64,
    charged: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            estimated: PRIOR,
            charged: PRIOR,
        }
    }
}

impl Calibration {
    pub(super) fn count(&self, text: &str) -> u64 {
        tokens(quarters(text), self.ratio())
    }

    pub(super) fn truncate<'a>(&self, text: &'a str, max_tokens: u64) -> &'a str {
        let ratio = self.ratio();
        let mut seen = 0;
        let end = text.char_indices().find_map(|(at, char)| {
            seen += weight(char);
            (tokens(seen, ratio) > max_tokens).then_some(at)
        });
        end.and_then(|end| text.get(..end)).unwrap_or(text)
    }

    pub(super) fn learn<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>, charged: u64) {
        let estimated = texts.into_iter().map(quarters).sum::<u64>() as f64;
        if estimated == 0.0 || charged == 0 {
            return;
        }
        self.estimated += estimated;
        self.charged += (charged as f64 * 4.0).clamp(estimated * LEAST, estimated * MOST);
        let excess = self.estimated / MEMORY;
        if excess > 1.0 {
            self.estimated /= excess;
            self.charged /= excess;
        }
    }

    /// Tokens charged for a token of the uncorrected estimate.
    fn ratio(&self) -> f64 {
        self.charged / self.estimated
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and far below 2^53"
)]
fn tokens(quarters: u64, ratio: f64) -> u64 {
    (quarters as f64 * ratio / 4.0).ceil() as u64
}

fn quarters(text: &str) -> u64 {
    text.chars().map(weight).sum()
}

/// Quarters of a token that a character is.
fn weight(char: char) -> u64 {
    match char {
        '\0'..='\u{7f}' => 1,
        // Up to where the radicals and ideographs of East Asia begin.
        '\u{80}'..='\u{2e7f}' => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_estimate_goes_by_the_script() {
        let calibration = Calibration::default();
        assert_eq!(calibration.count(""), 0);
        assert_eq!(calibration.count("A red kettle, new"), 5);
        assert_eq!(calibration.count("чайник"), 3);
        assert_eq!(calibration.count("红色水壶"), 4);
    }

    #[test]
    fn answers_that_say_no_charge_teach_nothing() {
        let mut calibration = Calibration::default();
        calibration.learn(["text"], 0);
        calibration.learn([], 7);
        calibration.learn([""], 7);
        assert_eq!(calibration, Calibration::default());
    }

    proptest! {
        #[test]
        fn a_steady_ratio_is_learnt(ratio in 0.3..7.0_f64) {
            let mut calibration = Calibration::default();
            let text = "A kettle. ".repeat(40);
            let charged = tokens(quarters(&text), ratio);
            for _ in 0..1000 {
                calibration.learn([&*text], charged);
            }
            let off = calibration.count(&text).abs_diff(charged);
            prop_assert!(off <= 1 + charged / 50, "{off} of {charged}");
        }

        #[test]
        fn no_answer_takes_an_estimate_out_of_bounds(
            answers in prop::collection::vec(("\\PC{0,30}", any::<u64>()), 0..50),
            text in "[a-z]{1,100}",
        ) {
            let mut calibration = Calibration::default();
            for (text, charged) in &answers {
                calibration.learn([&**text], *charged);
            }
            let plain = tokens(quarters(&text), 1.0);
            let corrected = calibration.count(&text);
            prop_assert!(corrected >= plain / 4 && corrected <= plain * 8);
        }

        #[test]
        fn a_cut_is_the_longest_beginning_that_fits(text in "\\PC{0,60}", max in 0_u64..40) {
            let calibration = Calibration::default();
            let cut = calibration.truncate(&text, max);
            prop_assert!(text.starts_with(cut));
            prop_assert!(calibration.count(cut) <= max);
            if let Some(next) = text.get(cut.len()..).and_then(|rest| rest.chars().next()) {
                let longer = format!("{cut}{next}");
                prop_assert!(calibration.count(&longer) > max);
            }
        }
    }
}
