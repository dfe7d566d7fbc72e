//! How what is printed stands in columns.

use std::fmt;

/// What stands between two columns.
const BETWEEN: &str = "  ";

/// To which side the cells of a column are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Figures, with the head above them: digits of one weight stand under each other.
    Right,
}

/// Names and what they stand for, a line each: every column as wide as it must be, all to the left.
pub(super) fn align(out: &mut impl fmt::Write, indent: &str, rows: &[Vec<String>]) -> fmt::Result {
    table(out, indent, &[Side::Left], rows)
}

/// A table, whose heads are its first row. `sides` is of its columns, from the first on; the last of
/// them is that of all columns behind it, too.
pub(super) fn table<Row: AsRef<[String]>>(
    out: &mut impl fmt::Write,
    indent: &str,
    sides: &[Side],
    rows: &[Row],
) -> fmt::Result {
    folded(out, indent, sides, rows, None)
}

/// The same, within so many characters a line where they are given: columns that have no room stand in
/// a further table below, behind the first column once more.
pub(super) fn folded<Row: AsRef<[String]>>(
    out: &mut impl fmt::Write,
    indent: &str,
    sides: &[Side],
    rows: &[Row],
    within: Option<usize>,
) -> fmt::Result {
    let widths = widths(rows);
    for (part, columns) in parts(&widths, indent.len(), within).into_iter().enumerate() {
        if part > 0 {
            writeln!(out)?;
        }
        for row in rows {
            let row = row.as_ref();
            let cells = columns.iter().filter_map(|column| {
                let (cell, width) = (row.get(*column)?, *widths.get(*column)?);
                Some(match sides.get(*column).or(sides.last()) {
                    Some(Side::Right) => format!("{cell:>width$}"),
                    Some(Side::Left) | None => format!("{cell:<width$}"),
                })
            });
            let line = format!("{indent}{}", cells.collect::<Vec<_>>().join(BETWEEN));
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

/// How wide each column must be, in characters.
fn widths<Row: AsRef<[String]>>(rows: &[Row]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        for (column, cell) in row.as_ref().iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    widths
}

/// Which columns stand beside each other.
fn parts(widths: &[usize], indent: usize, within: Option<usize>) -> Vec<Vec<usize>> {
    let mut parts = vec![Vec::new()];
    let first = indent + widths.first().copied().unwrap_or(0);
    let mut used = 0;
    for (column, width) in widths.iter().enumerate() {
        let wider = used + BETWEEN.len() + width;
        let has_room = within.is_none_or(|within| wider <= within);
        match parts.last_mut() {
            // The first column, and at least one beside it.
            Some(part) if has_room || part.len() < 2 => {
                part.push(column);
                used = if column == 0 { first } else { wider };
            }
            _ => {
                parts.push(vec![0, column]);
                used = first + BETWEEN.len() + width;
            }
        }
    }
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right_below_their_heads_and_words_to_the_left() {
        let rows = [
            ["table", "rows", "alias"],
            ["products", "1,921", ""],
            ["bücher", "7", "live"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        let mut text = String::new();
        let sides = [Side::Left, Side::Right, Side::Left];
        table(&mut text, "  ", &sides, &rows).unwrap();
        assert_eq!(
            text,
            "  table      rows  alias\n  products  1,921\n  bücher        7  live\n"
        );
    }

    #[test]
    fn the_last_side_is_that_of_all_columns_behind_it() {
        let rows = [["a", "10", "200"], ["bc", "3", "4"]].map(|row| row.map(str::to_owned));
        let mut text = String::new();
        table(&mut text, "", &[Side::Left, Side::Right], &rows).unwrap();
        assert_eq!(text, "a   10  200\nbc   3    4\n");
    }

    #[test]
    fn columns_without_room_stand_below_behind_the_first_one_again() {
        let rows = [["name", "one", "two", "three"], ["x", "1", "22", "3"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        let sides = [Side::Left, Side::Right];
        let within = |width| {
            let mut text = String::new();
            folded(&mut text, "", &sides, &rows, Some(width)).unwrap();
            text
        };
        assert_eq!(within(21), "name  one  two  three\nx       1   22      3\n");
        assert_eq!(
            within(20),
            "name  one  two\nx       1   22\n\nname  three\nx         3\n"
        );
        // What has no room anywhere is there all the same.
        assert_eq!(within(1).lines().count(), 8);
    }
}
