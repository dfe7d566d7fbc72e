//! How two indexes of the same table stand to each other, and whether searchers may change over.

use crate::cost::{Money, grouped};

/// What was found of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) collection: String,
    pub(super) group: String,
    /// Rows that a vector search can find.
    pub(super) rows: u64,
    /// Records that its group has not committed.
    pub(super) lag: u64,
}

/// Both indexes, and a sample of rows of the current one looked for in the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    pub(super) alias: String,
    /// The collection that the alias means.
    pub(super) meaning: Option<String>,
    pub(super) current: Side,
    pub(super) next: Side,
    pub(super) sampled: usize,
    /// Of the sample, the rows that the next index does not have.
    pub(super) missing: usize,
    /// Of the neighbours of the sampled rows that both have, the share that is the same, from 0 to 1.
    pub(super) agreement: Option<f64>,
    /// What filling the next index still costs.
    pub(super) left: Option<Left>,
}

/// Tokens that are still to be bought, about, and their price where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) tokens: u64,
    pub(super) cost: Option<Money>,
}

/// What is asked of the next index before searchers change over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demands {
    /// How many records its group may be further behind than the current one.
    pub(super) max_lag: u64,
    /// The least agreement, from 0 to 1.
    pub(super) min_agreement: f64,
}

impl Standing {
    /// Records that one or the other index may not show yet: each explains a row's difference.
    fn pending(&self) -> u64 {
        self.current.lag + self.next.lag
    }

    /// How many of so many rows may differ. An index that is nearly empty is pending as a whole, and yet nobody
    /// wants to search it.
    fn tolerated(&self, rows: u64) -> u64 {
        self.pending().min(rows / 100)
    }

    /// Why the alias should be left alone, whatever it is to mean.
    pub(super) fn of_strangers(&self) -> Option<String> {
        let meaning = self.meaning.as_ref()?;
        let is_known = [&self.current, &self.next]
            .iter()
            .any(|side| side.collection == *meaning);
        (!is_known).then(|| {
            format!(
                "{} means {meaning}, which neither configuration writes to",
                self.alias
            )
        })
    }

    /// Why searchers should not change over, a sentence each; none where they may.
    pub(super) fn obstacles(&self, demands: Demands) -> Vec<String> {
        let (current, next) = (&self.current, &self.next);
        let mut obstacles = Vec::from_iter(self.of_strangers());
        if next.lag > current.lag.saturating_add(demands.max_lag) {
            obstacles.push(format!(
                "{} is {} records behind, {} more than {}: let `vectide run` catch up",
                next.group,
                grouped(next.lag),
                grouped(next.lag - current.lag),
                current.group
            ));
        }
        let difference = current.rows.abs_diff(next.rows);
        if difference > self.tolerated(current.rows) {
            obstacles.push(format!(
                "{} has {} rows and {} has {}, with {} records pending: if that stays so, the topics have not all rows any more, or rows were dead-lettered",
                next.collection,
                grouped(next.rows),
                current.collection,
                grouped(current.rows),
                grouped(self.pending())
            ));
        }
        if self.missing as u64 > self.tolerated(self.sampled as u64) {
            obstacles.push(format!(
                "of {} rows of {}, {} are not in {}",
                grouped(self.sampled),
                current.collection,
                grouped(self.missing),
                next.collection
            ));
        }
        if let Some(agreement) = self.agreement
            && agreement < demands.min_agreement
        {
            obstacles.push(format!(
                "only {:.0} of 100 neighbours are the same, and {:.0} are demanded (--min-agreement)",
                agreement * 100.0,
                demands.min_agreement * 100.0
            ));
        }
        obstacles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMANDS: Demands = Demands {
        max_lag: 10,
        min_agreement: 0.25,
    };

    fn equal() -> Standing {
        let side = |name: &str| Side {
            collection: name.to_owned(),
            group: format!("group of {name}"),
            rows: 1_000,
            lag: 0,
        };
        Standing {
            alias: "live".to_owned(),
            meaning: Some("v1".to_owned()),
            current: side("v1"),
            next: side("v2"),
            sampled: 100,
            missing: 0,
            agreement: Some(0.6),
            left: None,
        }
    }

    fn only_obstacle(change: impl FnOnce(&mut Standing)) -> String {
        let mut standing = equal();
        change(&mut standing);
        let obstacles = standing.obstacles(DEMANDS);
        assert_eq!(obstacles.len(), 1, "{obstacles:?}");
        obstacles.concat()
    }

    #[test]
    fn nothing_keeps_searchers_from_an_index_that_has_the_same_rows() {
        assert_eq!(equal().obstacles(DEMANDS), Vec::<String>::new());
    }

    #[test]
    fn an_index_that_is_being_filled_is_not_ready() {
        let mut standing = equal();
        standing.next.lag = 500;
        standing.next.rows = 600;
        let obstacles = standing.obstacles(DEMANDS);
        assert!(obstacles[0].contains("500 records behind"), "{obstacles:?}");
        assert!(obstacles[1].contains("v2 has 600 rows"), "{obstacles:?}");
    }

    #[test]
    fn an_empty_index_is_not_explained_by_what_is_pending() {
        let found = only_obstacle(|it| {
            it.current.rows = 8;
            it.next.rows = 0;
            it.next.lag = 8;
        });
        assert!(found.contains("v2 has 0 rows and v1 has 8"), "{found}");
    }

    #[test]
    fn an_alias_of_something_else_is_left_alone() {
        let found = only_obstacle(|it| it.meaning = Some("orders".to_owned()));
        assert_eq!(
            found,
            "live means orders, which neither configuration writes to"
        );
        assert!(
            Standing {
                meaning: None,
                ..equal()
            }
            .obstacles(DEMANDS)
            .is_empty()
        );
    }

    #[test]
    fn both_may_be_behind_alike_and_differ_by_what_is_pending() {
        let mut standing = equal();
        standing.current.lag = 5_000;
        standing.next.lag = 5_010;
        standing.next.rows = 993;
        standing.missing = 1;
        assert_eq!(standing.obstacles(DEMANDS), Vec::<String>::new());
    }

    #[test]
    fn rows_that_no_pending_record_explains_are_missing() {
        let found = only_obstacle(|it| it.next.rows = 999);
        assert!(
            found.contains("v2 has 999 rows and v1 has 1,000"),
            "{found}"
        );
        // A row more is one that the current index should have, or that should be gone.
        let found = only_obstacle(|it| it.next.rows = 1_001);
        assert!(found.contains("1,001"), "{found}");
        let found = only_obstacle(|it| it.missing = 1);
        assert!(
            found.contains("of 100 rows of v1, 1 are not in v2"),
            "{found}"
        );
    }

    #[test]
    fn vectors_that_find_something_else_altogether_are_suspicious() {
        let found = only_obstacle(|it| it.agreement = Some(0.03));
        assert!(found.starts_with("only 3 of 100 neighbours"), "{found}");
    }
}
