//! What Vectide should make of a row: worked out anew here, from the documentation, so that the index can be held against it.

use vectide::record::TextHash;
use vectide_embedded::embeddings::vector;

use crate::group::DIMENSIONS;
use crate::table::Row;

/// The text of a row by the default template: a line for each column that is not null.
fn text(row: &Row) -> String {
    let lines = [
        ("Product", "title"),
        ("Category", "category"),
        ("Description", "description"),
    ];
    let lines: Vec<String> = lines
        .iter()
        .filter_map(|(label, column)| Some(format!("{label}: {}", row.get(column)?)))
        .collect();
    lines.join("\n").trim().to_owned()
}

/// Which vector a point with this row should have: the hash of the row's text.
pub(crate) fn wanted_vector(row: &Row) -> String {
    TextHash::of_text(&text(row)).to_string()
}

/// Which vector a point has: the hash that the point says its vector's text has. Where that is the hash of the row's text, the vector must
/// be that text's own, not another text's.
pub(crate) fn found_vector(row: &Row, says: &str, vector: &[f32]) -> String {
    if says == wanted_vector(row) && !is_of_text(vector, &text(row)) {
        return format!("another text's, although the point says {says}");
    }
    says.to_owned()
}

/// Both have length one.
fn is_of_text(found: &[f32], text: &str) -> bool {
    let wanted = vector(text, DIMENSIONS);
    let cosine: f32 = found.iter().zip(&wanted).map(|(a, b)| a * b).sum();
    found.len() == wanted.len() && cosine > 0.999
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_of_another_text_is_noticed_whatever_the_point_says() {
        let row = |title: &str| Row::from([("title", title.to_owned())]);
        let (kettle, lamp) = (row("kettle"), row("lamp"));
        let says = wanted_vector(&kettle);
        let of = |row: &Row| vector(&text(row), DIMENSIONS);
        assert_eq!(found_vector(&kettle, &says, &of(&kettle)), says);
        assert!(found_vector(&kettle, &says, &of(&lamp)).contains("another"));
        assert!(found_vector(&kettle, &says, &[]).contains("another"));
        // Not yet embedded anew: it has the vector it says, and that is not the one wanted.
        assert_eq!(found_vector(&lamp, &says, &of(&kettle)), says);
    }
}
