//! Each kind of SDK error, as a user reads it.

use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ConnectorError, SdkError};
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use crate::error::Kind;

type Failed = SdkError<GetQueueUrlError, HttpResponse>;

fn response(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), SdkBody::empty())
}

fn service(status: u16, code: &str, message: &str) -> Failed {
    let metadata = ErrorMetadata::builder().code(code).message(message).build();
    SdkError::service_error(GetQueueUrlError::generic(metadata), response(status))
}

fn cut(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failed {
    SdkError::dispatch_failure(ConnectorError::io(error.into()))
}

/// An error as the user reads it, without the exit code.
fn told(error: &Error) -> String {
    let hints = error.hints().iter().map(|hint| format!("hint: {hint}"));
    std::iter::once(error.in_full()).chain(hints).collect::<Vec<_>>().join("\n")
}

/// Kinds of SDK error, each with our kind and with the words for LocalStack.
fn kinds() -> Vec<(Failed, Kind, &'static str)> {
    let silent = "nothing answers at http://localhost:4566 (default endpoint): finding it: ";
    let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName);
    let unhandled = GetQueueUrlError::generic(ErrorMetadata::builder().build());
    vec![
        (
            SdkError::construction_failure("a field is missing"),
            Kind::Other,
            "finding it failed: the request could not be made: a field is missing",
        ),
        (
            SdkError::construction_failure(CredentialsError::not_loaded_no_source()),
            Kind::Unreachable,
            "no credentials for AWS: finding it: no credentials are set",
        ),
        (SdkError::timeout_error("late"), Kind::Unreachable, "finding it: no answer within 10 s"),
        (cut(io::Error::from(io::ErrorKind::ConnectionRefused)), Kind::Unreachable, silent),
        (
            SdkError::dispatch_failure(ConnectorError::timeout("no connection in 2 s".into())),
            Kind::Unreachable,
            silent,
        ),
        (
            SdkError::dispatch_failure(ConnectorError::user("not a URL".into())),
            Kind::Other,
            "finding it failed: the request could not be sent: not a URL",
        ),
        (
            SdkError::dispatch_failure(ConnectorError::other("no endpoint".into(), None)),
            Kind::Other,
            "finding it failed: the request could not be sent: no endpoint",
        ),
        (
            SdkError::dispatch_failure(ConnectorError::other(
                CredentialsError::provider_error("the token has expired").into(),
                None,
            )),
            Kind::Unreachable,
            "no credentials for AWS: finding it: the token has expired",
        ),
        (
            cut(io::Error::from_raw_os_error(24)),
            Kind::Other,
            "too many files are open: this process may open ",
        ),
        (
            cut(io::Error::other(certificate)),
            Kind::Unreachable,
            "the certificate of http://localhost:4566 (default endpoint) is not accepted: finding it: \
             it is for another host",
        ),
        (
            cut(io::Error::other(rustls::Error::General("cut off".to_owned()))),
            Kind::Unreachable,
            "no TLS connection with http://localhost:4566",
        ),
        (cut("failed to lookup address information: unknown"), Kind::Unreachable, silent),
        (
            SdkError::response_error("cut short", response(200)),
            Kind::Other,
            "finding it failed: cut short",
        ),
        (
            SdkError::service_error(unhandled, response(403)),
            Kind::Other,
            "finding it failed: HTTP 403 without an AWS error code\nhint: is the server at ",
        ),
        (service(400, "QueueDoesNotExist", "gone"), Kind::NotSetUp, "stack x is not set up at "),
        (service(400, "Unheard", "of this"), Kind::Other, "finding it failed: Unheard: of this"),
        (
            service(400, "InvalidParameter", "Invalid parameter: TopicArn"),
            Kind::Invalid,
            "refuses the region `us-east-1` (default region): finding it: InvalidParameter: ",
        ),
    ]
}

#[test]
fn every_kind_has_a_sentence() {
    let (localstack, real) = (Aws::sample(), Aws::real_sample());
    for (error, kind, text) in kinds() {
        let ours = localstack.error("finding it", &error);
        assert_eq!(ours.kind(), kind, "{}", told(&ours));
        assert!(told(&ours).contains(text), "{text:?} is not in:\n{}", told(&ours));
        let real = real.error("finding it", &error);
        for told in [told(&ours), told(&real)] {
            assert!(told.len() < 300, "{told}");
            for jargon in ["{", "SdkError", "Failure(", "source", "unhandled", "dispatch failure"] {
                assert!(!told.contains(jargon), "{jargon} is in:\n{told}");
            }
        }
        assert!(!told(&real).contains("LocalStack"), "{}", told(&real));
    }
}

#[test]
fn refused_credentials_end_with_aws_s_own_sentence() {
    let real = Aws::real_sample();
    for code in REFUSED_CREDENTIALS {
        let error = real.error("finding it", &service(403, code, "your clock is off"));
        assert_eq!(error.kind(), Kind::Unreachable, "{code}");
        assert!(error.is_fatal(), "{code}");
        let said =
            "AWS refuses the credentials (account 123456789012, region eu-west-1): finding it: ";
        assert_eq!(told(&error), format!("{said}{code}: your clock is off"));
    }
    for code in DENIED {
        let error = real.error("finding it", &service(403, code, "not for you"));
        assert_eq!((error.kind(), error.is_fatal()), (Kind::Other, true), "{code}");
    }
}

#[test]
fn what_may_pass_is_told_from_what_lasts() {
    let real = Aws::real_sample();
    for (error, passes) in [
        (service(503, "", ""), true),
        (service(400, "ThrottlingException", "slow down"), true),
        (service(400, "ValidationError", "no"), false),
        (cut(io::Error::from_raw_os_error(24)), true),
        (cut(io::Error::from(io::ErrorKind::ConnectionReset)), true),
        (cut(CredentialsError::provider_error("down")), true),
        (cut(CredentialsError::not_loaded("none")), false),
        (SdkError::response_error("cut short", response(200)), true),
    ] {
        let ours = real.error("finding it", &error);
        assert_eq!(ours.is_transient(), passes, "{}", told(&ours));
    }
}
