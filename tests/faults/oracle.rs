//! Whether what was promised was kept: the table against the index, what nobody could process against the dead letters, and the
//! committed offsets against the ends. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use uuid::Uuid;
use vectide_embedded::embeddings;

use crate::workload::Row;

/// The length of the vectors.
pub(crate) const DIMENSIONS: usize = 64;

/// Two vectors of one text differ by no more than this: Qdrant normalises them.
const TOLERANCE: f32 = 1e-3;

/// Where a record is: partition and offset.
pub(crate) type Place = (i32, i64);

/// What there should be of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The topic's name, of which the points' ids are made.
    pub(crate) topic: String,
    pub(crate) table: BTreeMap<i64, Row>,
    /// Keys that had a row once.
    pub(crate) gone: BTreeSet<i64>,
    /// Keys whose last record nobody can read: no audit judges them.
    pub(crate) spoiled: BTreeSet<i64>,
    /// Records that nobody can process.
    pub(crate) poison: BTreeSet<Place>,
    /// Records whose text is refused, by their row.
    pub(crate) refused: BTreeMap<i64, BTreeSet<Place>>,
    /// The end of each partition.
    pub(crate) ends: BTreeMap<i32, i64>,
}

/// A point that has a vector. Others are bookkeeping, which no search for neighbours finds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// The row in its payload, where it has all of a row's columns.
    pub(crate) row: Option<Row>,
    pub(crate) vector: Vec<f32>,
    /// The record that it says to be as of.
    pub(crate) as_of: Option<Place>,
}

/// What there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) points: BTreeMap<String, Point>,
    /// Of which records the dead letters are, in the letters' order.
    pub(crate) letters: Vec<Place>,
    pub(crate) committed: BTreeMap<i32, i64>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// A row without a point.
    Lost(i64),
    /// A point whose payload is not the row's.
    Stale(i64, String),
    /// A point whose vector is another text's.
    WrongVector(i64),
    /// A point of a deleted row.
    Resurrected(i64),
    /// A point of no row that ever was.
    Foreign(String),
    /// A record that is neither in the index nor among the dead letters.
    NoLetter(Place),
    /// A dead letter of a record that is nothing but good.
    NeedlessLetter(Place),
    /// A partition whose committed offset is not its end.
    Uncommitted {
        partition: i32,
        committed: i64,
        end: i64,
    },
}

/// A promise about a table that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) topic: String,
    pub(crate) difference: Difference,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.topic, self.difference)
    }
}

impl Difference {
    /// The row whose point it is about.
    fn row(&self) -> Option<i64> {
        match self {
            Self::Lost(id) | Self::Stale(id, _) | Self::WrongVector(id) | Self::Resurrected(id) => {
                Some(*id)
            }
            _ => None,
        }
    }

    /// The heading it is counted under.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::Stale(..) | Self::WrongVector(_) => "stale",
            Self::Resurrected(_) | Self::Foreign(_) => "resurrected",
            Self::NoLetter(_) => "without a letter",
            Self::NeedlessLetter(_) => "needlessly a letter",
            Self::Uncommitted { .. } => "uncommitted",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(id) => write!(formatter, "row {id} has no point"),
            Self::Stale(id, how) => write!(formatter, "row {id} is not what its point says: {how}"),
            Self::WrongVector(id) => write!(formatter, "row {id} has the vector of another text"),
            Self::Resurrected(id) => write!(formatter, "row {id} is deleted and has a point"),
            Self::Foreign(id) => write!(formatter, "the point {id} is of no row"),
            Self::NoLetter((partition, offset)) => {
                write!(formatter, "{partition}@{offset} has no dead letter")
            }
            Self::NeedlessLetter((partition, offset)) => {
                write!(formatter, "{partition}@{offset} is good and a dead letter")
            }
            Self::Uncommitted {
                partition,
                committed,
                end,
            } => write!(
                formatter,
                "partition {partition} is committed up to {committed}, not to its end {end}"
            ),
        }
    }
}

/// The id of a row's point, as the documentation says that it can be computed.
pub(crate) fn point_id(topic: &str, id: i64) -> String {
    let name = format!("{topic}\n[{id}]");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// All promises that were not kept. Nothing is promised of points that somebody else damaged, before they are repaired.
pub(crate) fn differences(
    expected: &Expected,
    found: &Found,
    damaged: &BTreeSet<i64>,
) -> Vec<Difference> {
    let mut differences = rows(expected, found);
    let is_damaged = |it: &Difference| it.row().is_some_and(|id| damaged.contains(&id));
    differences.retain(|difference| !is_damaged(difference));
    differences.extend(letters(expected, found));
    differences.extend(offsets(expected, found));
    differences
}

fn rows(expected: &Expected, found: &Found) -> Vec<Difference> {
    let mut points = found.points.clone();
    let mut differences = Vec::new();
    for (id, row) in &expected.table {
        match points.remove(&point_id(&expected.topic, *id)) {
            // Its text was never embedded: the dead letter says so.
            None if row.is_refused() => {}
            None => differences.push(Difference::Lost(*id)),
            Some(point) if point.row.as_ref() != Some(row) => {
                let how = format!("{:?}, not {row:?}", point.row);
                differences.push(Difference::Stale(*id, how));
            }
            // It keeps the vector of the text before.
            Some(_) if row.is_refused() => {}
            Some(point) if !is_of(&point.vector, row) => {
                differences.push(Difference::WrongVector(*id));
            }
            Some(_) => {}
        }
    }
    for id in &expected.gone {
        if points.remove(&point_id(&expected.topic, *id)).is_some() {
            differences.push(Difference::Resurrected(*id));
        }
    }
    differences.extend(points.into_keys().map(Difference::Foreign));
    differences
}

/// Whether this is the vector of a row's text.
pub(crate) fn is_of(vector: &[f32], row: &Row) -> bool {
    is_near(vector, &embeddings::vector(&row.text(), DIMENSIONS))
}

fn is_near(left: &[f32], right: &[f32]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| (left - right).abs() < TOLERANCE)
}

fn letters(expected: &Expected, found: &Found) -> Vec<Difference> {
    let letters: BTreeSet<Place> = found.letters.iter().copied().collect();
    let mut differences: Vec<Difference> = expected
        .poison
        .difference(&letters)
        .map(|place| Difference::NoLetter(*place))
        .collect();
    for (id, places) in &expected.refused {
        // One that the row got another text after may have been superseded.
        let is_last = expected.table.get(id).is_some_and(Row::is_refused);
        if let Some(last) = places.last()
            && is_last
            && places.is_disjoint(&letters)
        {
            differences.push(Difference::NoLetter(*last));
        }
    }
    let is_bad = |place: &&Place| {
        expected.poison.contains(place)
            || expected
                .refused
                .values()
                .any(|places| places.contains(place))
    };
    let needless = letters.iter().filter(|place| !is_bad(place));
    differences.extend(needless.map(|place| Difference::NeedlessLetter(*place)));
    differences
}

fn offsets(expected: &Expected, found: &Found) -> Vec<Difference> {
    let ends = expected.ends.iter();
    ends.filter_map(|(partition, end)| {
        let committed = found.committed.get(partition).copied().unwrap_or(0);
        (committed != *end).then_some(Difference::Uncommitted {
            partition: *partition,
            committed,
            end: *end,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "shop.public.products";

    fn row(title: &str) -> Row {
        Row {
            title: title.to_owned(),
            description: "made of leather".to_owned(),
            price: 1_990,
            stock: 3,
        }
    }

    fn point(row: &Row) -> Point {
        Point {
            row: Some(row.clone()),
            vector: embeddings::vector(&row.text(), DIMENSIONS),
            as_of: Some((0, 3)),
        }
    }

    /// Two rows, a deleted one, a poison record, a refused text; and all as it should be.
    fn kept() -> (Expected, Found) {
        let (boots, tent) = (row("boots"), row("unembeddable tent"));
        let expected = Expected {
            topic: TOPIC.to_owned(),
            table: [(1, boots.clone()), (2, tent)].into(),
            gone: [3].into(),
            spoiled: BTreeSet::new(),
            poison: [(0, 7)].into(),
            refused: [(2, [(1, 4), (1, 5)].into())].into(),
            ends: [(0, 8), (1, 6), (2, 0)].into(),
        };
        let found = Found {
            points: [(point_id(TOPIC, 1), point(&boots))].into(),
            letters: vec![(0, 7), (1, 5), (0, 7)],
            committed: [(0, 8), (1, 6)].into(),
        };
        (expected, found)
    }

    fn found_after(change: impl FnOnce(&mut Found)) -> Vec<Difference> {
        let (expected, mut found) = kept();
        change(&mut found);
        differences(&expected, &found, &BTreeSet::new())
    }

    #[test]
    fn nothing_is_said_where_every_promise_was_kept() {
        assert_eq!(found_after(|_| ()), []);
    }

    #[test]
    fn a_lost_row_is_noticed() {
        assert_eq!(
            found_after(|found| found.points.clear()),
            [Difference::Lost(1)]
        );
    }

    #[test]
    fn a_stale_row_is_noticed_in_any_of_its_columns() {
        let changes: [fn(&mut Row); 4] = [
            |row| row.title.push('!'),
            |row| row.description.clear(),
            |row| row.price += 1,
            |row| row.stock = 0,
        ];
        for change in changes {
            let differences = found_after(|found| {
                let point = found.points.values_mut().next().unwrap();
                change(point.row.as_mut().unwrap());
            });
            assert!(
                matches!(differences.as_slice(), [Difference::Stale(1, _)]),
                "{differences:?}"
            );
        }
    }

    #[test]
    fn nothing_is_promised_of_points_that_were_damaged_and_all_of_the_others() {
        let (expected, mut found) = kept();
        found.points.clear();
        let hat = point(&row("hat"));
        found.points.insert(point_id(TOPIC, 3), hat);
        let (lost, back) = (Difference::Lost(1), Difference::Resurrected(3));
        let with = |damaged: &[i64]| {
            let damaged = damaged.iter().copied().collect();
            differences(&expected, &found, &damaged)
        };
        assert_eq!(with(&[1]), [back]);
        assert_eq!(with(&[3]), [lost]);
        assert_eq!(with(&[1, 3]), []);
    }

    #[test]
    fn a_vector_of_another_text_is_noticed() {
        let differences = found_after(|found| {
            let point = found.points.values_mut().next().unwrap();
            point.vector = embeddings::vector(&row("shoes").text(), DIMENSIONS);
        });
        assert_eq!(differences, [Difference::WrongVector(1)]);
    }

    #[test]
    fn a_resurrected_row_is_noticed_and_a_point_of_nothing() {
        let differences = found_after(|found| {
            let points = &mut found.points;
            points.insert(point_id(TOPIC, 3), point(&row("hat")));
            points.insert("somebody's".to_owned(), point(&row("hat")));
        });
        let expected = [
            Difference::Resurrected(3),
            Difference::Foreign("somebody's".to_owned()),
        ];
        assert_eq!(differences, expected);
    }

    #[test]
    fn a_missing_dead_letter_is_noticed_and_one_too_many() {
        assert_eq!(
            found_after(|found| found.letters = vec![(1, 4), (2, 0)]),
            [
                Difference::NoLetter((0, 7)),
                Difference::NeedlessLetter((2, 0))
            ]
        );
        assert_eq!(
            found_after(|found| found.letters = vec![(0, 7)]),
            [Difference::NoLetter((1, 5))]
        );
    }

    #[test]
    fn an_offset_in_front_of_the_end_is_noticed_and_one_behind_it() {
        for committed in [5, 7] {
            let differences = found_after(|found| {
                found.committed.insert(1, committed);
            });
            let expected = Difference::Uncommitted {
                partition: 1,
                committed,
                end: 6,
            };
            assert_eq!(differences, [expected]);
        }
    }
}
