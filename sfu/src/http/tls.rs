//! TLS settings into a rustls configuration.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::TlsSettings;

/// Why HTTPS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing, unreadable, or no PEM of the right kind.
    #[error("`{key}` cannot be {}: {reason}; allowed is a PEM file with {wanted}", path.display())]
    File {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The key is not the certificate's, or of a kind that TLS does not know.
    #[error("`tls.cert` {} and `tls.key` {} do not go together: {reason}", cert.display(), key.display())]
    Pair {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls says.
        reason: String,
    },
    /// The certificate made at start failed.
    #[error("cannot make a certificate: {0}")]
    SelfSigned(String),
}

/// The TLS configuration that the settings ask for; none for plain HTTP.
///
/// `names` are the addresses that a self-signed certificate is for, besides localhost.
///
/// # Errors
/// See [`TlsError`].
pub fn server_config(
    settings: &TlsSettings,
    names: &[IpAddr],
) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let (chain, key) = if settings.self_signed {
        self_signed(names)?
    } else if settings.cert.as_os_str().is_empty() {
        return Ok(None);
    } else {
        from_files(settings)?
    };
    let pair_error = |error: rustls::Error| TlsError::Pair {
        cert: settings.cert.clone(),
        key: settings.key.clone(),
        reason: error.to_string(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair_error)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair_error)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_files(settings: &TlsSettings) -> Result<Pair, TlsError> {
    let wrong = |key, path: &Path, reason: String, wanted| TlsError::File {
        key,
        path: path.to_owned(),
        reason,
        wanted,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&settings.cert)
        .and_then(Iterator::collect)
        .map_err(|e| wrong("tls.cert", &settings.cert, e.to_string(), CERTIFICATES))?;
    if chain.is_empty() {
        let reason = "it has no certificate".to_owned();
        return Err(wrong("tls.cert", &settings.cert, reason, CERTIFICATES));
    }
    let key = PrivateKeyDer::from_pem_file(&settings.key)
        .map_err(|e| wrong("tls.key", &settings.key, e.to_string(), KEY))?;
    Ok((chain, key))
}

fn self_signed(names: &[IpAddr]) -> Result<Pair, TlsError> {
    let failed = |error: rcgen::Error| TlsError::SelfSigned(error.to_string());
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(failed)?;
    let loopback = [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    for ip in loopback.iter().chain(names) {
        let name = SanType::IpAddress(*ip);
        if !params.subject_alt_names.contains(&name) {
            params.subject_alt_names.push(name);
        }
    }
    params
        .distinguished_name
        .push(DnType::CommonName, "weblive self-signed");
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + 90 * DAY).into();
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|error| TlsError::SelfSigned(error.to_owned()))?;
    Ok((vec![certificate.der().clone()], key))
}

const DAY: Duration = Duration::from_secs(86_400);
const CERTIFICATES: &str = "the certificate and its chain";
const KEY: &str = "the private key (PKCS #8, PKCS #1 or SEC 1)";

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, cert: &str, key: &str) -> TlsSettings {
        let folder =
            std::env::temp_dir().join(format!("weblive-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = TlsSettings {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            self_signed: false,
        };
        std::fs::write(&settings.cert, cert).unwrap();
        std::fs::write(&settings.key, key).unwrap();
        settings
    }

    fn pem() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn plain_http_is_the_default() {
        assert!(
            server_config(&TlsSettings::default(), &[])
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_self_signed_certificate_speaks_both_versions_of_http() {
        let settings = TlsSettings {
            self_signed: true,
            ..TlsSettings::default()
        };
        let config = server_config(&settings, &["10.0.0.5".parse().unwrap()])
            .unwrap()
            .unwrap();
        assert_eq!(
            config.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
    }

    #[test]
    fn files_that_go_together_are_taken() {
        let (cert, key) = pem();
        assert!(
            server_config(&files("good", &cert, &key), &[])
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let ((cert, _), (_, key)) = (pem(), pem());
        let error = server_config(&files("pair", &cert, &key), &[]).unwrap_err();
        assert!(matches!(error, TlsError::Pair { .. }), "{error}");
    }

    #[test]
    fn files_without_their_content_name_key_and_path() {
        let (cert, key) = pem();
        for (name, settings, wanted) in [
            ("no cert", files("nocert", "hello", &key), "tls.cert"),
            ("no key", files("nokey", &cert, "hello"), "tls.key"),
            ("swapped", files("swapped", &key, &cert), "tls.cert"),
        ] {
            let error = server_config(&settings, &[]).unwrap_err().to_string();
            assert!(
                error.contains(wanted) && error.contains(".pem"),
                "{name}: {error}"
            );
        }
        let missing = TlsSettings {
            cert: "/nowhere/cert.pem".into(),
            key: "/nowhere/key.pem".into(),
            self_signed: false,
        };
        let error = server_config(&missing, &[]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/cert.pem"), "{error}");
    }
}
