//! The text of a row, by template.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use minijinja::{Environment, UndefinedBehavior, value::Value as TemplateValue};

use crate::{
    config::{DocumentColumns, DocumentConfig},
    error::Failure,
    record::{Row, Value},
};

const NAME: &str = "document.template";

/// The template can't be used.
#[derive(Debug, thiserror::Error)]
#[error("document.template: {0}")]
pub struct TemplateError(#[from] minijinja::Error);

/// Makes the text to embed of a row's columns.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    /// What the template calls it, and the column behind it.
    variables: Vec<(String, String)>,
}

impl Template {
    /// The configured template or, without one, a line for each configured column:
    /// `Product: …`, `Category: …`, `Price: …`, `Description: …`; null columns have no line.
    ///
    /// A template may use `product`, `category`, `price` and `description`, which stand for the
    /// configured columns, and every other column by its own name.
    pub fn new(config: &DocumentConfig) -> Result<Self, TemplateError> {
        let aliases = aliases(&config.columns);
        let source = match &config.template {
            Some(template) => template.clone(),
            None => default_template(&aliases),
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template_owned(NAME, source)?;
        let mut variables: Vec<(String, String)> = environment
            .get_template(NAME)?
            .undeclared_variables(false)
            .into_iter()
            // Functions such as `range` are variables, too, as far as the template knows.
            .filter(|name| environment.globals().all(|(global, _)| global != name))
            .map(|name| {
                let column = aliases.get(name.as_str()).unwrap_or(&name).clone();
                (name, column)
            })
            .collect();
        variables.sort_unstable();
        Ok(Self {
            environment,
            variables,
        })
    }

    /// Whether the text is made of this column, among others.
    pub fn uses(&self, column: &str) -> bool {
        self.variables.iter().any(|(_, used)| used == column)
    }

    /// The columns that the text is made of.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(_, column)| column.as_str())
    }

    /// The text of a row, without white space around it.
    pub(super) fn render(&self, row: &Row) -> Result<Arc<str>, Failure> {
        let mut context: BTreeMap<&str, TemplateValue> = BTreeMap::new();
        for (name, column) in &self.variables {
            let value = row.get(column).ok_or_else(|| {
                Failure::record(
                    "missing_column",
                    format!(
                        "the row has no column `{column}`, which the text is made of; set document.columns or document.template to columns that exist"
                    ),
                )
            })?;
            context.insert(name, template_value(value));
        }
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(context))
            .map_err(|error| {
                Failure::record("template", format!("the template failed: {error}"))
            })?;
        Ok(rendered.trim().into())
    }
}

fn aliases(columns: &DocumentColumns) -> BTreeMap<&'static str, String> {
    [
        ("product", &columns.product),
        ("category", &columns.category),
        ("price", &columns.price),
        ("description", &columns.description),
    ]
    .into_iter()
    .filter_map(|(name, column)| Some((name, column.clone().filter(|column| !column.is_empty())?)))
    .collect()
}

fn default_template(aliases: &BTreeMap<&'static str, String>) -> String {
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
                "{{% if {name} is not none %}}{label}: {{{{ {name} }}}}\n{{% endif %}}"
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
