//! The status page: what [`Status`] says, as HTML.
//!
//! The server renders all of it, for the first look and for each that follows; the script only puts
//! what has changed in the place of what was there. So the page is complete without it.

mod format;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse},
    routing::get,
};
use minijinja::Environment;

use super::{routes::Shown, status::Status};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const ICON: &str = include_str!("icon.svg");

/// What the page loads: the paths that it names, their types and contents.
const ASSETS: [(&str, &str, &str); 3] = [
    ("/assets/style.css", "text/css; charset=utf-8", STYLE),
    (
        "/assets/script.js",
        "text/javascript; charset=utf-8",
        SCRIPT,
    ),
    ("/assets/icon.svg", "image/svg+xml", ICON),
];

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    format::add_filters(&mut templates);
    // By its name it is HTML, in which everything is escaped.
    templates
        .add_template("page.html", TEMPLATE)
        .expect("a test renders it");
    templates
});

pub(super) fn router() -> Router<Arc<Shown>> {
    let mut router = Router::new().route("/", get(page));
    for (path, kind, content) in ASSETS {
        let asset = move || async move { ([(CONTENT_TYPE, kind)], content).into_response() };
        router = router.route(path, get(asset));
    }
    router
}

async fn page(State(shown): State<Arc<Shown>>) -> Html<String> {
    Html(render(&shown.look()))
}

/// The whole page.
pub(super) fn render(status: &Status) -> String {
    let template = TEMPLATES.get_template("page.html");
    let page = template.and_then(|template| template.render(status));
    page.unwrap_or_else(|error| format!("the page can't be rendered: {error:#}"))
}

#[cfg(test)]
mod tests;
