//! Filters as they are written on the command line: `category = outdoor`, `stock > 0`.
//!
//! A field, an operator, a value. Text that looks like a number, or like `true` or `false`, or that
//! begins with an operator or a quotation mark, is put in quotation marks, of either kind.

use crate::index::{Comparison, FieldFilter, Test};

/// What is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongFilter {
    #[error("has no operator: write a field, one of = != < <= > >=, and a value, as 'stock > 0'")]
    NoOperator,
    #[error("names no field in front of {0}")]
    NoField(&'static str),
    #[error("has no value behind {0}; an empty text is \"\"")]
    NoValue(&'static str),
    #[error("{0} compares numbers, and {1} is none")]
    NoNumber(&'static str, String),
    #[error("has text behind the closing {0}")]
    Trailing(char),
    #[error("lacks the closing {0}")]
    Unclosed(char),
    #[error("{0} is Vectide's own, and nothing to search by")]
    Reserved(String),
}

/// Operators as they are written, the longer ones first.
const OPERATORS: [(&str, Comparison); 7] = [
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Reads one filter.
pub(super) fn parse(text: &str) -> Result<FieldFilter, WrongFilter> {
    let at = text
        .find(['!', '<', '>', '='])
        .ok_or(WrongFilter::NoOperator)?;
    let (field, rest) = text.split_at(at);
    let (operator, comparison, value) = OPERATORS
        .into_iter()
        .find_map(|(name, comparison)| Some((name, comparison, rest.strip_prefix(name)?)))
        .ok_or(WrongFilter::NoOperator)?;
    let (field, value) = (field.trim(), value.trim());
    // `=<` is a slip, and no text that begins so.
    if value.starts_with(['!', '<', '>', '=']) {
        return Err(WrongFilter::NoOperator);
    }
    if field.is_empty() {
        return Err(WrongFilter::NoField(operator));
    }
    if field.split('.').next() == Some(crate::record::RESERVED_FIELD) {
        return Err(WrongFilter::Reserved(field.to_owned()));
    }
    Ok(FieldFilter {
        field: field.to_owned(),
        test: test(operator, comparison, value)?,
    })
}

fn test(operator: &'static str, comparison: Comparison, value: &str) -> Result<Test, WrongFilter> {
    if value.is_empty() {
        return Err(WrongFilter::NoValue(operator));
    }
    let quoted = quoted(value)?;
    if quoted.is_none()
        && let Some(number) = number(value)
    {
        return Ok(Test::Number(comparison, number));
    }
    let as_bool = match (quoted, value) {
        (None, "true") => Some(true),
        (None, "false") => Some(false),
        _ => None,
    };
    let text = quoted.unwrap_or(value).to_owned();
    match (comparison, as_bool) {
        (Comparison::Equal, Some(is_so)) => Ok(Test::Bool(is_so)),
        (Comparison::NotEqual, Some(is_so)) => Ok(Test::Bool(!is_so)),
        (Comparison::Equal, None) => Ok(Test::Text(text)),
        (Comparison::NotEqual, None) => Ok(Test::NotText(text)),
        _ => Err(WrongFilter::NoNumber(operator, value.to_owned())),
    }
}

/// A number in plain or scientific notation; not what Rust takes for one, too, as `inf`.
fn number(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number: f64 = text.parse().ok()?;
    (is_plain && number.is_finite()).then_some(number)
}

/// What is between quotation marks; `None` where there are none.
fn quoted(text: &str) -> Result<Option<&str>, WrongFilter> {
    let Some(mark) = text
        .chars()
        .next()
        .filter(|mark| matches!(mark, '\'' | '"'))
    else {
        return Ok(None);
    };
    let inner = text.strip_prefix(mark).unwrap_or_default();
    match inner.split_once(mark) {
        Some((inside, "")) => Ok(Some(inside)),
        Some(_) => Err(WrongFilter::Trailing(mark)),
        None => Err(WrongFilter::Unclosed(mark)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str) -> Result<(String, Test), WrongFilter> {
        parse(text).map(|filter| (filter.field, filter.test))
    }

    #[test]
    fn equality_is_of_texts_numbers_and_truth_values() {
        for (text, field, expected) in [
            (
                "category = outdoor",
                "category",
                Test::Text("outdoor".into()),
            ),
            ("category=outdoor", "category", Test::Text("outdoor".into())),
            (
                "category == home & garden",
                "category",
                Test::Text("home & garden".into()),
            ),
            (
                "category != outdoor",
                "category",
                Test::NotText("outdoor".into()),
            ),
            ("stock = 5", "stock", Test::Number(Comparison::Equal, 5.0)),
            (
                "stock != 5",
                "stock",
                Test::Number(Comparison::NotEqual, 5.0),
            ),
            ("sku = '5'", "sku", Test::Text("5".into())),
            ("sku = \"a = b\"", "sku", Test::Text("a = b".into())),
            ("sku = \"\"", "sku", Test::Text(String::new())),
            ("sku = a>b", "sku", Test::Text("a>b".into())),
            ("sku = inf", "sku", Test::Text("inf".into())),
            ("is_new = true", "is_new", Test::Bool(true)),
            ("is_new != true", "is_new", Test::Bool(false)),
            ("is_new = 'true'", "is_new", Test::Text("true".into())),
            ("brand.name = Acme", "brand.name", Test::Text("Acme".into())),
            ("Größe = XL", "Größe", Test::Text("XL".into())),
        ] {
            assert_eq!(test(text), Ok((field.to_owned(), expected)), "{text}");
        }
    }

    #[test]
    fn ranges_are_of_numbers() {
        for (text, comparison, number) in [
            ("stock > 0", Comparison::Greater, 0.0),
            ("stock>=1", Comparison::GreaterOrEqual, 1.0),
            ("price < 19.90", Comparison::Less, 19.9),
            ("price <= -1.5e3", Comparison::LessOrEqual, -1_500.0),
        ] {
            let field = text.split(['<', '>']).next().map_or("", str::trim);
            let expected = Test::Number(comparison, number);
            assert_eq!(test(text), Ok((field.to_owned(), expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_said_in_one_line() {
        for (text, wrong) in [
            ("", WrongFilter::NoOperator),
            ("stock", WrongFilter::NoOperator),
            ("stock ! 0", WrongFilter::NoOperator),
            ("= 5", WrongFilter::NoField("=")),
            ("stock >", WrongFilter::NoValue(">")),
            ("price > cheap", WrongFilter::NoNumber(">", "cheap".into())),
            ("price > '5'", WrongFilter::NoNumber(">", "'5'".into())),
            ("price =< 5", WrongFilter::NoOperator),
            ("price => 5", WrongFilter::NoOperator),
            ("sku = 'a", WrongFilter::Unclosed('\'')),
            ("sku = 'a' b", WrongFilter::Trailing('\'')),
            (
                "_vectide.offset > 5",
                WrongFilter::Reserved("_vectide.offset".into()),
            ),
        ] {
            assert_eq!(parse(text), Err(wrong), "{text}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "\u{301}=",
            "'=\"",
            "=='",
            "a=\u{feff}",
            "!",
            "<>",
            "a<>b",
            "é!=ü",
        ] {
            let _ = parse(text);
        }
    }
}
