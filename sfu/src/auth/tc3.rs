//! The signature of the vendor's cloud API (TC3-HMAC-SHA256), so that a back end that calls it
//! through the vendor's kit needs another address and no other code.
//!
//! The secret id is the app's number, the secret key the app's key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::secret::SecretKey;
use super::signed_request::{RequestError, check_time};
use crate::live::AppId;

/// The parts of an `Authorization` header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tc3<'a> {
    /// Whose key signs.
    pub app: AppId,
    date: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    /// What the client computed.
    pub signature: [u8; 32],
}

/// The signed parts of the request itself.
#[derive(Debug, Clone, Copy)]
pub struct Tc3Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query as sent; empty when there is none.
    pub query: &'a str,
    /// `X-TC-Timestamp`, Unix seconds.
    pub time: u64,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Tc3<'a> {
    /// Reads the header field: `TC3-HMAC-SHA256 Credential=…/date/service/tc3_request,
    /// SignedHeaders=…, Signature=…`.
    pub fn read(field: &'a str) -> Option<Self> {
        let rest = field.trim().strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let mut scope = credential?.split('/');
        let parts = [scope.next()?, scope.next()?, scope.next()?, scope.next()?];
        let [app, date, service, TERMINATOR] = parts else {
            return None;
        };
        if scope.next().is_some() {
            return None;
        }
        Some(Self {
            app: app.parse().ok()?,
            date,
            service,
            signed_headers: signed_headers?,
            signature: super::unhex(signature?)?,
        })
    }

    /// Verifies signature, date and time. `header` gives the value of a header field.
    ///
    /// # Errors
    /// [`RequestError::Signature`] and [`RequestError::Time`].
    pub fn verify<'h>(
        &self,
        keys: &[SecretKey],
        request: &Tc3Request<'_>,
        header: impl Fn(&str) -> Option<&'h str>,
        now: u64,
    ) -> Result<(), RequestError> {
        let mut headers = String::new();
        let mut has = [false; 2];
        let mut before = "";
        for name in self.signed_headers.split(';') {
            // The vendor asks for this order. A name that may come again would have its value
            // written out for each time, by anybody: nothing is signed yet.
            if name <= before {
                return Err(RequestError::Signature);
            }
            before = name;
            has[0] |= name == "content-type";
            has[1] |= name == "host";
            let value = header(name).ok_or(RequestError::Signature)?;
            let value = value.trim().to_lowercase();
            headers.push_str(&format!("{name}:{value}\n"));
        }
        // The vendor asks for these two; without them a request could be given to another host.
        if has != [true; 2] || self.date != date_of(request.time) {
            return Err(RequestError::Signature);
        }
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            request.method,
            request.path,
            request.query,
            self.signed_headers,
            super::hex(&Sha256::digest(request.body)),
        );
        let content = format!(
            "{ALGORITHM}\n{}\n{}/{}/{TERMINATOR}\n{}",
            request.time,
            self.date,
            self.service,
            super::hex(&Sha256::digest(canonical.as_bytes())),
        );
        let signed = keys
            .iter()
            .map(|key| {
                let day = hmac(
                    format!("TC3{}", key.expose()).as_bytes(),
                    self.date.as_bytes(),
                );
                let service = hmac(&finish(day), self.service.as_bytes());
                let signing = hmac(&finish(service), TERMINATOR.as_bytes());
                let tag = hmac(&finish(signing), content.as_bytes());
                tag.verify_slice(&self.signature).is_ok()
            })
            .fold(false, |any, one| any | one);
        if !signed {
            return Err(RequestError::Signature);
        }
        check_time(request.time, now)
    }
}

fn hmac(key: &[u8], content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(content);
    mac
}

fn finish(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

/// The UTC date of Unix seconds, `YYYY-MM-DD`, in the proleptic Gregorian calendar.
fn date_of(time: u64) -> String {
    // Days since 0000-03-01, so that a leap day is the last of its year; times up to the year
    // 9999 have a date, others none that a client could have signed.
    let days = (time / 86_400).min(2_932_896) + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, add) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    let year = era * 400 + year_of_era + add;
    format!("{year:04}-{month:02}-{day:02}")
}

const ALGORITHM: &str = "TC3-HMAC-SHA256";

const TERMINATOR: &str = "tc3_request";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_551_113_065;
    const BODY: &str = "{\"Limit\": 1, \"Filters\": [{\"Values\": [\"\\u672a\\u547d\\u540d\"], \
                        \"Name\": \"instance-name\"}]}";

    fn header(name: &str) -> Option<&'static str> {
        match name {
            "content-type" => Some("application/json; charset=utf-8"),
            "host" => Some("cvm.tencentcloudapi.com"),
            _ => None,
        }
    }

    fn field(app: &str, signature: &str) -> String {
        format!(
            "TC3-HMAC-SHA256 Credential={app}/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host, Signature={signature}"
        )
    }

    fn request() -> Tc3Request<'static> {
        Tc3Request {
            method: "POST",
            path: "/",
            query: "",
            time: NOW,
            body: BODY.as_bytes(),
        }
    }

    fn verify(request: &Tc3Request<'_>, signature: &str, now: u64) -> Result<(), RequestError> {
        let keys = [
            "other".parse().unwrap(),
            "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE".parse().unwrap(),
        ];
        let field = field("1400000000", signature);
        Tc3::read(&field)
            .unwrap()
            .verify(&keys, request, header, now)
    }

    /// The example of the vendor's documentation of signature version 3.
    const EXAMPLE: &str = "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168";

    #[test]
    fn the_documented_example_verifies_and_nothing_near_it() {
        assert_eq!(verify(&request(), EXAMPLE, NOW), Ok(()));
        let wrong = EXAMPLE.replace('7', "8");
        assert_eq!(
            verify(&request(), &wrong, NOW),
            Err(RequestError::Signature)
        );
        for other in [
            Tc3Request {
                body: b"{}",
                ..request()
            },
            Tc3Request {
                path: "/x",
                ..request()
            },
            Tc3Request {
                query: "a=1",
                ..request()
            },
            Tc3Request {
                time: NOW + 1,
                ..request()
            },
        ] {
            assert_eq!(
                verify(&other, EXAMPLE, NOW),
                Err(RequestError::Signature),
                "{other:?}"
            );
        }
        let late = verify(&request(), EXAMPLE, NOW + 301);
        assert_eq!(late, Err(RequestError::Time { by: 301 }));
    }

    #[test]
    fn a_field_is_read_whole_or_not_at_all() {
        assert_eq!(
            Tc3::read(&field("7", EXAMPLE)).map(|t| t.app),
            Some(AppId(7))
        );
        for bad in [
            String::new(),
            "Bearer x".to_owned(),
            field("AKID", EXAMPLE),
            field("7", "72"),
            field("7", EXAMPLE).replace("tc3_request", "x"),
            field("7", EXAMPLE).replace(", Signed", ", Signature=00, Signed"),
            format!("{}, Extra=1", field("7", EXAMPLE)),
        ] {
            assert_eq!(Tc3::read(&bad), None, "{bad}");
        }
        let unsigned_host = field("7", EXAMPLE).replace("content-type;host", "content-type");
        let refused = Tc3::read(&unsigned_host)
            .unwrap()
            .verify(&[], &request(), header, NOW);
        assert_eq!(refused, Err(RequestError::Signature));
    }

    #[test]
    fn no_header_field_is_written_out_twice() {
        let repeated = vec!["host"; 4_000].join(";");
        for names in [
            repeated.as_str(),
            "content-type;host;host",
            "host;content-type",
        ] {
            let field = field("7", EXAMPLE).replace("content-type;host", names);
            let read = std::cell::Cell::new(0);
            let header = |name: &str| {
                read.set(read.get() + 1);
                header(name)
            };
            let refused = Tc3::read(&field)
                .unwrap()
                .verify(&[], &request(), header, NOW);
            assert_eq!(refused, Err(RequestError::Signature));
            assert!(read.get() <= 2, "{} fields read", read.get());
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, date) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_551_113_065, "2019-02-25"),
            (4_107_542_400, "2100-03-01"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(date_of(time), date);
        }
    }
}
