//! The description of the API for people, written on the server: no script, one style sheet.

use std::fmt::{self, Write};

use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use super::endpoint::{BASE, Endpoint, Group, PARTS, groups, parts};
use super::{chat_rest, cloud, openapi};

pub(super) async fn moved() -> Redirect {
    Redirect::permanent("/api/")
}

pub(super) async fn page() -> Response {
    respond("text/html; charset=utf-8", render())
}

pub(super) async fn style() -> Response {
    respond(
        "text/css; charset=utf-8",
        include_str!("style.css").to_owned(),
    )
}

fn respond(kind: &'static str, text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, text).into_response()
}

/// The page.
fn render() -> String {
    let groups = groups();
    let mut page = String::with_capacity(64 * 1024);
    // Writing to a text cannot fail.
    let _ = write_page(&mut page, &groups);
    page
}

fn write_page(page: &mut String, groups: &[Group]) -> fmt::Result {
    page.push_str(HEAD);
    page.push_str("<nav aria-label=\"Groups\"><ul>\n<li><a href=\"#signing\">Signing</a></li>\n");
    for group in groups {
        let (id, name) = (anchor(group.name), group.name);
        writeln!(page, "<li><a href=\"#{id}\">{}</a></li>", Text(name))?;
    }
    page.push_str("<li><a href=\"#vendor\">Vendor’s forms</a></li>\n");
    page.push_str("<li><a href=\"/api/openapi.json\">openapi.json</a></li>\n</ul></nav>\n<main>\n");
    write_signing(page)?;
    for group in groups {
        let (id, name) = (anchor(group.name), Text(group.name));
        writeln!(
            page,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{name}</h2>"
        )?;
        writeln!(page, "<p>{}</p>", Text(group.text))?;
        for endpoint in &group.endpoints {
            write_endpoint(page, endpoint)?;
        }
        page.push_str("</section>\n");
    }
    write_vendor(page)?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn write_signing(page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "<section aria-labelledby=\"signing\">\n<h2 id=\"signing\">Who may ask</h2>\n\
         <p>The back end of an app signs each request with the app’s key. An operator of the server \
         sends one of the tokens of the settings as <code>Authorization: Bearer</code> instead, and \
         names the app in <code>Weblive-App</code> when there are several. A server without apps \
         answers programs on its own machine only.</p>\n<p><code>Weblive-Signature</code> is {}</p>\n\
         <pre tabindex=\"0\"><code>{}</code></pre>\n\
         <p>Lists come in pages: <code>limit</code> entries, and <code>next</code> to be given as \
         <code>after</code> as long as there are more. What is refused answers \
         <code>application/problem+json</code> with a stable <code>code</code>, and \
         <code>error_code</code> where clients get a number for the same.</p>\n</section>",
        Text(openapi::SIGNING),
        Text(EXAMPLE),
    )
}

fn write_endpoint(page: &mut String, endpoint: &Endpoint) -> fmt::Result {
    let method = endpoint.method.as_str();
    writeln!(
        page,
        "<article id=\"{0}\">\n<h3><span class=\"method {1}\">{1}</span> <code>{BASE}{2}</code> \
         <a class=\"here\" href=\"#{0}\" aria-label=\"Link to {3}\">#</a></h3>\n<p>{3}.</p>",
        endpoint.id,
        method,
        Text(endpoint.path),
        Text(endpoint.summary),
    )?;
    if !endpoint.text.is_empty() {
        writeln!(page, "<p>{}</p>", Text(endpoint.text))?;
    }
    let parts: Vec<_> = parts(endpoint.path)
        .filter_map(|name| PARTS.iter().find(|(other, ..)| *other == name))
        .collect();
    if !parts.is_empty() || !endpoint.query.is_empty() {
        page.push_str("<dl>\n");
        for (name, _, text) in parts {
            writeln!(
                page,
                "<dt><code>{{{name}}}</code></dt><dd>{}</dd>",
                Text(text)
            )?;
        }
        for param in endpoint.query {
            let (name, text) = (param.name, Text(param.text));
            writeln!(page, "<dt><code>?{name}</code></dt><dd>{text}</dd>")?;
        }
        page.push_str("</dl>\n");
    }
    if let Some(body) = &endpoint.body {
        let schema = (body.schema)();
        writeln!(page, "<h4>Body: {}</h4>\n<dl>", body.name)?;
        let required = schema["required"].as_array();
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|n| n == name));
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let must = if is_required(name) { " (needed)" } else { "" };
            let text = field["description"].as_str().unwrap_or_default();
            writeln!(
                page,
                "<dt><code>{name}</code>{must}</dt><dd>{}</dd>",
                Text(text)
            )?;
        }
        page.push_str("</dl>\n");
        writeln!(
            page,
            "<pre tabindex=\"0\"><code>{}</code></pre>",
            Text(body.example)
        )?;
    }
    write!(page, "<h4>Answer: {}", endpoint.status)?;
    match endpoint.answer {
        Some((schema, example)) => writeln!(
            page,
            " {schema}</h4>\n<pre tabindex=\"0\"><code>{}</code></pre>",
            Text(example)
        )?,
        None => page.push_str(" without content</h4>\n"),
    }
    if !endpoint.refusals.is_empty() {
        page.push_str("<p class=\"refusals\">Refused as ");
        for (at, (status, code)) in endpoint.refusals.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(page, "{comma}<code>{status} {code}</code>")?;
        }
        page.push_str(".</p>\n");
    }
    page.push_str("</article>\n");
    Ok(())
}

fn write_vendor(page: &mut String) -> fmt::Result {
    page.push_str(
        "<section aria-labelledby=\"vendor\">\n<h2 id=\"vendor\">Vendor’s forms</h2>\n\
         <p>A back end that calls the vendor’s services needs another address and no other code.</p>\n\
         <article>\n<h3><span class=\"method POST\">POST</span> <code>/</code> or <code>/trtc</code></h3>\n\
         <p>The cloud API: the action in <code>X-TC-Action</code>, signed with TC3-HMAC-SHA256; the \
         secret id is the app’s number, the secret key the app’s key.</p>\n<ul>\n",
    );
    for action in cloud::ACTIONS {
        writeln!(page, "<li><code>{action}</code></li>")?;
    }
    page.push_str(
        "</ul>\n</article>\n<article>\n<h3><span class=\"method POST\">POST</span> \
         <code>/v4/{service}/{command}?sdkappid&amp;identifier&amp;usersig</code></h3>\n\
         <p>The chat and seat services: the identifier is one of the app’s <code>admins</code> in \
         the settings, with its UserSig.</p>\n<ul>\n",
    );
    for command in chat_rest::COMMANDS {
        writeln!(page, "<li><code>{command}</code></li>")?;
    }
    page.push_str("</ul>\n</article>\n</section>\n");
    Ok(())
}

/// A name as the target of a link.
fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

/// A text inside HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <title>weblive API</title>\n<link rel=\"stylesheet\" href=\"/api/style.css\">\n</head>\n<body>\n\
    <header><h1>weblive API</h1><p>What the back end of a page, and the operator of the server, may \
    ask.</p></header>\n";

const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The way of one request in a shell; the README has it too.
pub(super) const EXAMPLE: &str = include_str!("sign.sh");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_endpoint_once_and_no_script() {
        let page = render();
        for endpoint in groups().iter().flat_map(|group| &group.endpoints) {
            let article = format!("<article id=\"{}\">", endpoint.id);
            assert_eq!(page.matches(&article).count(), 1, "{}", endpoint.id);
        }
        for (open, close) in [("<section", "</section>"), ("<article", "</article>")] {
            assert_eq!(page.matches(open).count(), page.matches(close).count());
        }
        for foreign in ["<script", "src=", "href=\"http"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        for target in page.split("href=\"#").skip(1) {
            let target = target.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{target}\"")), "#{target}");
        }
    }

    #[test]
    fn the_readme_signs_as_the_page_does() {
        let readme = include_str!("../../../../README.md");
        assert!(readme.contains(EXAMPLE));
    }

    #[test]
    fn texts_are_no_html() {
        assert_eq!(
            Text("<a href=\"x\">&").to_string(),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }
}
