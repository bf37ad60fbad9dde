//! The page that a request comes from, as browsers tell it.

use http::header::{HeaderName, ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue};

use crate::auth::Page;

/// What `Referer` says (RFC 9110 §10.1.3), or else `Origin`: browsers send that alone when they open
/// a WebSocket (RFC 6455 §4.1), and when a page keeps its address to itself.
pub(super) fn page(headers: &HeaderMap) -> Page {
    let blank = HeaderValue::from_static("about:blank");
    let mut fields = headers.get_all(REFERER).iter();
    let name: HeaderName = match fields.next() {
        // Of a page without an address.
        Some(field) if *field == blank && fields.next().is_none() => ORIGIN,
        Some(_) => REFERER,
        None => ORIGIN,
    };
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Page::Unsaid,
        (Some(field), None) => field.to_str().map_or(Page::Other, Page::at),
        // Two readers could take different ones.
        (Some(_), Some(_)) => Page::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &'static str)]) -> Page {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        page(&headers)
    }

    #[test]
    fn the_referer_comes_before_the_origin() {
        let shop = || Page::Of("shop.example".to_owned());
        let at_shop = ("referer", "https://shop.example/live");
        assert_eq!(of(&[at_shop]), shop());
        assert_eq!(of(&[("origin", "https://shop.example")]), shop());
        // Behind a redirect to another host browsers send the origin as null.
        assert_eq!(of(&[("origin", "null"), at_shop]), shop());
        let blank = ("referer", "about:blank");
        assert_eq!(of(&[blank, ("origin", "https://shop.example")]), shop());
        for unsaid in [&[][..], &[blank]] {
            assert_eq!(of(unsaid), Page::Unsaid);
        }
    }

    #[test]
    fn what_is_sent_twice_or_is_no_page_is_none() {
        let at_shop = ("referer", "https://shop.example/live");
        let at_evil = ("referer", "https://evil.example/");
        for fields in [
            &[at_shop, at_evil][..],
            &[("referer", "about:blank"), at_shop],
            &[("origin", "null")],
            &[("referer", "")],
            &[
                ("origin", "https://a.example"),
                ("origin", "https://b.example"),
            ],
        ] {
            assert_eq!(of(fields), Page::Other, "{fields:?}");
        }
    }
}
