//! What of a file a request asks for: preconditions and ranges (RFC 9110 §13 and §14).

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, Method};

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// A strong one, in its quotes.
    pub(super) etag: String,
    /// Whole seconds.
    modified: SystemTime,
}

/// What the answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Whole,
    /// Within the file, and not empty.
    Part(Range<u64>),
    /// The client has it already.
    NotModified,
    /// It wants another version.
    Failed,
    /// It wants what the file does not have.
    Outside,
}

impl Validators {
    /// Files are written once, as a whole: size and time tell them apart in every store.
    pub(super) fn new(size: u64, modified: SystemTime) -> Self {
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            etag: format!("\"{size:x}-{:x}\"", since.as_micros()),
            modified: UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        }
    }

    /// `Last-Modified`.
    pub(super) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }

    /// Whether a list of entity tags has this one (RFC 9110 §8.8.3.2).
    fn is_in(&self, headers: &HeaderMap, name: HeaderName, takes_weak: bool) -> Option<bool> {
        headers.get(&name)?;
        let fields = headers.get_all(name).iter();
        let mut tags = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(','))
            .map(str::trim);
        Some(tags.any(|tag| match tag.strip_prefix("W/") {
            Some(weak) => takes_weak && weak == self.etag,
            None => tag == "*" || tag == self.etag,
        }))
    }

    /// Whether it was written after the date of a field. `None` without one that is a date.
    fn is_newer(&self, headers: &HeaderMap, name: HeaderName) -> Option<bool> {
        let date = httpdate::parse_http_date(text(headers, name)?).ok()?;
        Some(self.modified > date)
    }

    /// Whether the range that comes with `If-Range` is of this version (RFC 9110 §13.1.5).
    fn is_version(&self, if_range: &str) -> bool {
        match if_range.starts_with(['"', 'W']) && !if_range.ends_with("GMT") {
            true => if_range == self.etag,
            // The very date: a second that is over says enough of a file that is written once.
            false => httpdate::parse_http_date(if_range).is_ok_and(|date| date == self.modified),
        }
    }
}

/// In the order of RFC 9110 §13.2.2.
pub(super) fn judge(
    method: &Method,
    headers: &HeaderMap,
    validators: &Validators,
    size: u64,
) -> Verdict {
    let matches = validators.is_in(headers, IF_MATCH, false);
    let is_newer = || validators.is_newer(headers, IF_UNMODIFIED_SINCE);
    if !matches.unwrap_or_else(|| !is_newer().unwrap_or(false)) {
        return Verdict::Failed;
    }
    let has = validators.is_in(headers, IF_NONE_MATCH, true);
    let is_old = || validators.is_newer(headers, IF_MODIFIED_SINCE) == Some(false);
    if has.unwrap_or_else(is_old) {
        return Verdict::NotModified;
    }
    // Only GET has ranges (§14.2).
    let asked = text(headers, RANGE).filter(|_| *method == Method::GET);
    let is_version = || text(headers, IF_RANGE).is_none_or(|tag| validators.is_version(tag));
    match asked {
        Some(asked) if is_version() => range(asked, size),
        _ => Verdict::Whole,
    }
}

/// Reads `Range` (RFC 9110 §14.1.2). What is not one range of bytes is ignored, as §14.2 allows.
fn range(text: &str, size: u64) -> Verdict {
    let spec = text
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
        .and_then(|(_, spec)| spec.trim().split_once('-'));
    let Some((first, last)) = spec else {
        return Verdict::Whole;
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Verdict::Whole,
    };
    match range.is_empty() {
        true => Verdict::Outside,
        false => Verdict::Part(range),
    }
}

/// Digits and nothing else. More than there are numbers for are as many as there are bytes at most.
fn number(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// A field that is there once: of two, readers could take different ones.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
    const AFTER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";

    fn validators() -> Validators {
        Validators::new(
            100,
            UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456),
        )
    }

    fn asked(method: Method, fields: &[(HeaderName, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        judge(&method, &headers, &validators(), 100)
    }

    fn get(fields: &[(HeaderName, &str)]) -> Verdict {
        asked(Method::GET, fields)
    }

    #[test]
    fn a_file_has_a_strong_tag_and_a_date() {
        let validators = validators();
        assert_eq!(
            validators.etag,
            "\"64-60a24181e4240\""
                .replace("60a24181e4240", &format!("{:x}", 1_700_000_000_123_456_u64))
        );
        assert_eq!(validators.last_modified(), DATE);
        assert_eq!(get(&[]), Verdict::Whole);
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let part = Verdict::Part;
        for (text, expected) in [
            ("bytes=0-9", part(0..10)),
            ("Bytes = 0-9", part(0..10)),
            ("bytes=0-0", part(0..1)),
            ("bytes=90-", part(90..100)),
            ("bytes=99-", part(99..100)),
            ("bytes=90-200", part(90..100)),
            ("bytes=90-99999999999999999999999", part(90..100)),
            ("bytes=-10", part(90..100)),
            ("bytes=-200", part(0..100)),
            ("bytes=-99999999999999999999999", part(0..100)),
            ("bytes=100-", Verdict::Outside),
            ("bytes=100-200", Verdict::Outside),
            ("bytes=99999999999999999999999-", Verdict::Outside),
            ("bytes=-0", Verdict::Outside),
            ("bytes=9-0", Verdict::Whole),
            ("bytes=0-1,3-4", Verdict::Whole),
            ("items=0-1", Verdict::Whole),
            ("bytes=a-b", Verdict::Whole),
            ("bytes=+1-2", Verdict::Whole),
            ("bytes=1-2x", Verdict::Whole),
            ("bytes=1 - 2", Verdict::Whole),
            ("bytes=-", Verdict::Whole),
            ("bytes=--1", Verdict::Whole),
            ("bytes", Verdict::Whole),
            ("", Verdict::Whole),
        ] {
            assert_eq!(get(&[(RANGE, text)]), expected, "{text}");
            // Only GET has ranges.
            assert_eq!(asked(Method::HEAD, &[(RANGE, text)]), Verdict::Whole);
        }
        let twice = [(RANGE, "bytes=0-1"), (RANGE, "bytes=3-4")];
        assert_eq!(get(&twice), Verdict::Whole);
        for text in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(range(text, 0), Verdict::Outside, "of nothing: {text}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole_of_this_one() {
        let etag = validators().etag;
        let weak = format!("W/{etag}");
        for (if_range, is_version) in [
            (&*etag, true),
            (DATE, true),
            ("\"other\"", false),
            (&*weak, false),
            (BEFORE, false),
            (AFTER, false),
            ("Wed, 15 Nov 2023 22:13:20 GMT", false),
            ("yesterday", false),
        ] {
            let verdict = get(&[(RANGE, "bytes=5-9"), (IF_RANGE, if_range)]);
            let expected = match is_version {
                true => Verdict::Part(5..10),
                false => Verdict::Whole,
            };
            assert_eq!(verdict, expected, "{if_range}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let etag = validators().etag;
        let weak = format!("W/{etag}");
        let list = format!("\"a\", {etag}");
        for has in [&*etag, &*weak, &*list, "*"] {
            let range = (RANGE, "bytes=0-1");
            let both = [(IF_NONE_MATCH, has), range, (IF_MODIFIED_SINCE, BEFORE)];
            assert_eq!(get(&both), Verdict::NotModified, "{has}");
            assert_eq!(asked(Method::HEAD, &both), Verdict::NotModified);
        }
        // The date is not asked where there is a tag.
        let other = [(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, DATE)];
        assert_eq!(get(&other), Verdict::Whole);
        for (date, expected) in [
            (DATE, Verdict::NotModified),
            (AFTER, Verdict::NotModified),
            (BEFORE, Verdict::Whole),
            ("never", Verdict::Whole),
        ] {
            assert_eq!(get(&[(IF_MODIFIED_SINCE, date)]), expected, "{date}");
        }
    }

    #[test]
    fn another_version_than_the_client_wants_is_refused() {
        let etag = validators().etag;
        let weak = format!("W/{etag}");
        for (tag, expected) in [
            (&*etag, Verdict::Whole),
            ("*", Verdict::Whole),
            ("\"a\"", Verdict::Failed),
            // If-Match compares strongly (RFC 9110 §13.1.1).
            (&*weak, Verdict::Failed),
        ] {
            let both = [(IF_MATCH, tag), (IF_UNMODIFIED_SINCE, BEFORE)];
            assert_eq!(get(&both), expected, "{tag}");
        }
        for (date, expected) in [
            (DATE, Verdict::Whole),
            (AFTER, Verdict::Whole),
            (BEFORE, Verdict::Failed),
            ("never", Verdict::Whole),
        ] {
            assert_eq!(get(&[(IF_UNMODIFIED_SINCE, date)]), expected, "{date}");
        }
    }
}
