//! Why a command is refused, in the form's own words.

use super::COMMANDS;
use crate::http::api::Api;
use crate::http::api::access::AdminRefusal;
use crate::http::api::refusal::Refusal;
use crate::http::api::router::refused;
use crate::live::LiveError;
use crate::signal::hub::admin::AdminError;

/// A refused command.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: i32,
    pub(super) message: String,
}

pub(super) fn not_admin(api: &Api, refusal: AdminRefusal) -> Failure {
    match refusal {
        AdminRefusal::Token(error) => {
            api.0.metrics.refuse(error.label());
            tracing::info!(reason = %error, "API call refused");
            Failure {
                code: error.code(),
                message: error.sentence().to_string(),
            }
        }
        AdminRefusal::NotAdmin => {
            api.0.metrics.refuse("not_admin");
            Failure {
                code: 10_007,
                message: "the user is not among the app's `admins` in the settings".to_owned(),
            }
        }
        AdminRefusal::Other(refusal) => {
            refused(api, &refusal);
            refusal.into()
        }
    }
}

pub(super) fn bad(message: &str) -> Failure {
    Failure {
        code: 10_004,
        message: message.to_owned(),
    }
}

pub(super) fn unknown() -> Failure {
    Failure {
        code: 10_004,
        message: format!(
            "there is no such command here; there are {}",
            COMMANDS.join(", ")
        ),
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        Self {
            code: error.chat_code(),
            message: error.to_string(),
        }
    }
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: match refusal {
                Refusal::TooFast => 2996,
                _ => refusal.error_code().unwrap_or(10_004),
            },
            message: refusal.to_string(),
        }
    }
}
