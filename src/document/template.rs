//! The text of a row, by template.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use minijinja::{Environment, UndefinedBehavior, value::Value as TemplateValue};

use crate::{
    config::{DocumentColumns, DocumentConfig},
    error::{Failure, quoted},
    record::{Row, Value},
};

use super::needed::missing;

const NAME: &str = "document.template";

/// The template can't be used.
#[derive(Debug, thiserror::Error)]
#[error("document.template: {0}")]
pub struct TemplateError(#[from] minijinja::Error);

/// Makes the text to embed of a row's columns.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    variables: Vec<Variable>,
    /// Where it is configured, for messages.
    section: String,
}

/// What the template calls a column.
#[derive(Debug)]
struct Variable {
    name: String,
    /// The names that the column behind it may have; the first that a row has counts.
    columns: Vec<String>,
    /// The key that names the column.
    key: &'static str,
    /// Whether the column counts as null where it is missing.
    is_optional: bool,
}

impl Template {
    /// The configured template or, without one, a line for each configured column:
    /// `Product: …`, `Category: …`, `Price: …`, `Description: …`; null and empty columns have no line.
    ///
    /// A template may use `product`, `category`, `price` and `description`, which stand for the
    /// configured columns, and every other column by its own name. `section` is where that is
    /// configured, such as `document`, for messages.
    pub fn new(config: &DocumentConfig, section: &str) -> Result<Self, TemplateError> {
        let aliases = aliases(&config.columns);
        let source = match &config.template {
            Some(template) => template.clone(),
            None => default_template(&aliases),
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template_owned(NAME, source)?;
        let mut variables: Vec<Variable> = environment
            .get_template(NAME)?
            .undeclared_variables(false)
            .into_iter()
            // Functions such as `range` are variables, too, as far as the template knows.
            .filter(|name| environment.globals().all(|(global, _)| global != name))
            .map(|name| {
                let (columns, key) = match aliases.get(name.as_str()) {
                    Some(names) => (names.to_vec(), "columns"),
                    None => (vec![name.clone()], "template"),
                };
                Variable {
                    is_optional: columns.iter().any(|it| config.optional.contains(it)),
                    name,
                    columns,
                    key,
                }
            })
            .collect();
        variables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            environment,
            variables,
            section: section.to_owned(),
        })
    }

    /// Whether the text is made of this column, among others.
    pub fn uses(&self, column: &str) -> bool {
        self.columns().any(|used| used == column)
    }

    /// The columns that the text is made of.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let columns = self.variables.iter().flat_map(|it| &it.columns);
        columns.map(String::as_str)
    }

    /// The text of a row, without white space around it.
    pub(super) fn render(&self, row: &Row) -> Result<Arc<str>, Failure> {
        let mut context: BTreeMap<&str, TemplateValue> = BTreeMap::new();
        for variable in &self.variables {
            let columns = variable.columns.iter().map(String::as_str);
            let value = match columns.clone().find_map(|column| row.get(column)) {
                Some(value) => value,
                None if variable.is_optional => &Value::Null,
                None => return Err(missing(columns, &self.section, variable.key)),
            };
            context.insert(&variable.name, template_value(value));
        }
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(context))
            .map_err(|error| {
                let detail = error.detail().map(quoted).unwrap_or_default();
                Failure::record(
                    "template",
                    format!("the template failed: {} {detail}", error.kind()),
                )
            })?;
        Ok(rendered.trim().into())
    }
}

fn aliases(columns: &DocumentColumns) -> BTreeMap<&'static str, &[String]> {
    [
        ("product", &columns.product),
        ("category", &columns.category),
        ("price", &columns.price),
        ("description", &columns.description),
    ]
    .into_iter()
    .filter_map(|(name, column)| Some((name, column.as_ref()?.names())))
    .collect()
}

fn default_template(aliases: &BTreeMap<&'static str, &[String]>) -> String {
    let mut template = String::new();
    for (name, label) in [
        ("product", "Product"),
        ("category", "Category"),
        ("price", "Price"),
        ("description", "Description"),
    ] {
        if aliases.contains_key(name) {
            write!(
                template,
                "{{% if {name} is not none and {name} | trim %}}{label}: {{{{ {name} }}}}\n{{% endif %}}"
            )
            .expect("writing to a String cannot fail");
        }
    }
    template
}

fn template_value(value: &Value) -> TemplateValue {
    match value {
        // Refused before, see `unavailable`.
        Value::Null | Value::Unavailable => TemplateValue::from(()),
        Value::Bool(value) => TemplateValue::from(*value),
        Value::Int(value) => TemplateValue::from(*value),
        Value::Float(value) => TemplateValue::from(*value),
        Value::Decimal(text) | Value::String(text) => TemplateValue::from(&**text),
        Value::Json(json) => TemplateValue::from_serialize(json),
    }
}
