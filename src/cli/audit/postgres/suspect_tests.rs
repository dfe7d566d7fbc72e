use super::*;

const SETTLE: Duration = Duration::from_secs(30);

/// A suspect, and the time that passes between looks at it.
struct Watched {
    suspect: Suspect,
    now: Instant,
}

impl Watched {
    fn new() -> Self {
        Self {
            suspect: Suspect::new(RowKey::single_integer(17)),
            now: Instant::now(),
        }
    }

    fn look(&mut self, facts: Facts) -> Look {
        self.now += Duration::from_secs(1);
        self.suspect.look(facts, self.now, SETTLE)
    }
}

/// A row that has no point.
fn missing(offset: i64, is_told: bool) -> Facts {
    Facts {
        row: Said::Gone,
        record: Some((0, Offset(offset))),
        is_told,
        is_passed: true,
        judgement: Judgement::Differs(vec![Drift::Missing]),
    }
}

#[test]
fn a_difference_counts_when_it_is_seen_twice_behind_what_the_group_has_passed() {
    let mut row = Watched::new();
    let pending = Facts {
        is_passed: false,
        ..missing(40, true)
    };
    assert_eq!(row.look(pending), Look::Unsettled);
    assert_eq!(row.look(missing(40, true)), Look::Unsettled);
    let differs = Look::Differs(vec![Drift::Missing], true);
    assert_eq!(row.look(missing(40, true)), differs);
}

#[test]
fn a_row_with_news_is_looked_at_anew() {
    let mut row = Watched::new();
    for offset in 40..45 {
        assert_eq!(row.look(missing(offset, true)), Look::Unsettled);
    }
    let equal = Facts {
        judgement: Judgement::Equal,
        ..missing(45, true)
    };
    assert_eq!(row.look(equal), Look::Cleared);
}

#[test]
fn a_point_of_later_news_than_the_topic_had_is_waited_for() {
    let mut row = Watched::new();
    let later = || Facts {
        judgement: Judgement::Later,
        ..missing(40, true)
    };
    assert_eq!(row.look(missing(40, true)), Look::Unsettled);
    assert_eq!(row.look(later()), Look::Unsettled);
    assert_eq!(row.look(missing(40, true)), Look::Unsettled);
}

#[test]
fn what_the_topic_does_not_tell_counts_once_the_connector_had_time_to() {
    let mut row = Watched::new();
    for _ in 0..30 {
        assert_eq!(row.look(missing(40, false)), Look::Unsettled);
    }
    let differs = Look::Differs(vec![Drift::Missing], false);
    assert_eq!(row.look(missing(40, false)), differs);
    let mut on_its_way = Watched::new();
    assert_eq!(on_its_way.look(missing(40, false)), Look::Unsettled);
    on_its_way.now += SETTLE;
    assert_eq!(on_its_way.look(missing(41, false)), Look::Unsettled);
}
