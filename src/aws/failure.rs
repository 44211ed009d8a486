//! Why a request got no answer, read from the SDK's chain of causes and put into words for users.

use std::error::Error as StdError;
use std::io;

use aws_config::meta::ProviderChainError;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_types::error::ErrorMetadata;
use rustls::CertificateError;

use super::url_recorder::Unanswered;
use crate::error::{Permanence, chain, innermost_cause};
use crate::settings::open_files;

/// The standard library's words for a name without an address.
const LOOKUP: &str = "failed to lookup address information";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Too many files are open.
    Files,
    /// Why the host's certificate is not accepted.
    Certificate(String),
    /// Why there is no TLS connection.
    Tls(String),
    /// The host's name has no address: the words of the system.
    NoSuchHost(String),
    /// Why there are no credentials, and whether that is transient.
    Credentials(String, Permanence),
    /// There was no answer: the innermost cause.
    Silence(String),
}

impl Failure {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        if let Some(error) = find::<CredentialsError>(error) {
            let passing = match error {
                CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
                    Permanence::Transient
                }
                _ => Permanence::Fatal,
            };
            return Self::Credentials(lack(error), passing);
        }
        match find::<rustls::Error>(error) {
            Some(rustls::Error::InvalidCertificate(why)) => return Self::Certificate(refusal(why)),
            Some(error) => return Self::Tls(error.to_string()),
            None => {}
        }
        let said = words(error);
        let is_lookup = said.contains(LOOKUP);
        let too_many = chain(error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(open_files::is_too_many);
        if too_many || (is_lookup && open_files::are_reached()) {
            Self::Files
        } else if is_lookup {
            Self::NoSuchHost(said)
        } else {
            Self::Silence(said)
        }
    }
}

/// The URL of the request, if it went out.
pub(super) fn asked<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a str> {
    find::<Unanswered>(error).map(|unanswered| unanswered.url.as_str())
}

/// AWS's own words in an error, else its innermost cause: `connection refused` rather than `dispatch failure`.
pub(super) fn words(error: &(dyn StdError + 'static)) -> String {
    if let Some(metadata) = find::<ErrorMetadata>(error)
        && let Some(code) = metadata.code()
    {
        return match metadata.message() {
            Some(message) => format!("{code}: {message}"),
            None => code.to_owned(),
        };
    }
    innermost_cause(error)
}

/// Why there are no credentials: the two innermost causes, since `no such file` alone says little.
pub(super) fn lack(error: &CredentialsError) -> String {
    if find::<ProviderChainError<CredentialsError>>(error).is_some() {
        return "none in the environment, in a profile or in this machine's role".to_owned();
    }
    let innermost: Vec<_> = chain(error).skip(1).map(ToString::to_string).collect();
    match innermost.as_slice() {
        [] if matches!(error, CredentialsError::CredentialsNotLoaded(_)) => {
            "no credentials are set".to_owned()
        }
        [.., outer, inner] if !outer.contains(inner) && find::<ErrorMetadata>(error).is_none() => {
            format!("{outer}: {inner}")
        }
        _ => words(error),
    }
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref::<T>())
}

fn refusal(why: &CertificateError) -> String {
    let said = match why {
        CertificateError::UnknownIssuer => {
            "this machine does not trust the authority that signed it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::BadSignature => "its signature is wrong",
        _ => "it does not pass the check",
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn io(error: impl Into<Box<dyn StdError + Send + Sync>>) -> io::Error {
        io::Error::other(error)
    }

    #[test]
    fn causes_within_an_error_of_the_system_are_found() {
        let certificate = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let Failure::Certificate(why) = Failure::of(&io(io(certificate))) else {
            panic!("it is about a certificate");
        };
        assert_eq!(why, "this machine does not trust the authority that signed it");
        let cut = rustls::Error::General("cut off".to_owned());
        assert!(matches!(Failure::of(&io(cut)), Failure::Tls(_)));
    }

    #[test]
    fn too_many_files_are_no_silence() {
        assert_eq!(Failure::of(&io(io::Error::from_raw_os_error(24))), Failure::Files);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(Failure::of(&refused), Failure::Silence("connection refused".to_owned()));
    }

    #[test]
    fn a_name_without_an_address_is_told_from_silence() {
        let said = format!("{LOOKUP}: Name or service not known");
        assert_eq!(Failure::of(&io(said.clone())), Failure::NoSuchHost(said));
    }

    #[test]
    fn credentials_that_cannot_be_had_say_why() {
        use CredentialsError as E;
        for (error, said, passing) in [
            (E::not_loaded_no_source(), "no credentials are set", Permanence::Fatal),
            (E::not_loaded("no profile"), "no profile", Permanence::Fatal),
            (E::invalid_configuration("a loop"), "a loop", Permanence::Fatal),
            (
                E::provider_error(io("the token has expired")),
                "the token has expired",
                Permanence::Transient,
            ),
            (E::unhandled("not UTF-8"), "not UTF-8", Permanence::Fatal),
            (
                E::provider_timed_out(Duration::from_secs(5)),
                "credentials provider timed out after 5 seconds",
                Permanence::Transient,
            ),
        ] {
            assert_eq!(Failure::of(&io(error)), Failure::Credentials(said.to_owned(), passing));
        }
        let denied = ErrorMetadata::builder().code("AccessDenied").message("not for you").build();
        assert_eq!(words(&io(denied)), "AccessDenied: not for you");
    }
}
