//! Columns that a document can't be made without.

use crate::error::Failure;

/// The row lacks a column that is needed, under each of its names. That concerns the whole table,
/// and no record is at fault: `key` is what to change in the `section` about documents.
pub(super) fn missing<'a>(
    names: impl IntoIterator<Item = &'a str>,
    section: &str,
    key: &str,
) -> Failure {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.escape_debug()))
        .collect();
    let names = names.join(" or ");
    Failure::blocked(
        "missing_column",
        format!(
            "column {names} is missing; name another in {section}.{key} or list it in {section}.optional"
        ),
    )
}
