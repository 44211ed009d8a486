//! What all commands have in common, for `rydes.1`; docs/reference.md lists it too. Words between backticks are bold.

pub(super) const EXIT: [(&str, &str); 10] = [
    ("0", "done; a wait: its condition was met and there is a best quote"),
    ("1", "another error"),
    ("2", "wrong usage or invalid input, a refused confirmation; nothing was sent or written"),
    ("3", "a wait ended with its condition unmet, but with a best quote"),
    ("4", "a wait ended without any quote in time"),
    ("5", "no such RFQ"),
    ("6", "LocalStack or AWS cannot be reached, or refuses the credentials"),
    ("7", "the stack is not set up"),
    (
        "8",
        "`verify` found a copy that nothing explains, the provider of `providers try` failed, or \
         `setup --check` or `status --check` found something",
    ),
    ("129, 130, 143", "hung up, interrupted, terminated (workers that drained end with 0)"),
];

pub(super) const ENVIRONMENT: [(&str, &str); 12] = [
    ("`RYDES_STACK`", "the stack, instead of `wild-rydes`"),
    ("`RYDES_REGION`", "the region on LocalStack, instead of `us-east-1`"),
    ("`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SNS`, `_SQS`, `_DYNAMODB`", "where LocalStack answers"),
    ("`AWS_ACCESS_KEY_ID`", "on LocalStack: twelve digits choose an account"),
    (
        "`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`",
        "the way to the endpoints of real providers and, with `--aws`, to AWS; LocalStack is never reached through a proxy",
    ),
    (
        "`SSL_CERT_FILE`, `SSL_CERT_DIR`",
        "the authorities that are trusted, instead of the system's",
    ),
    ("`RYDES_CACHE_DIR`, `XDG_CACHE_HOME`", "where LocalStack's files are kept"),
    ("`XDG_STATE_HOME`", "where the RFQs submitted from this machine are remembered"),
    (
        "`RYDES_LOCALSTACK_IMAGE`",
        "the image that Docker runs, instead of `localstack/localstack:4.14.0`",
    ),
    (
        "`RYDES_LOCALSTACK_SERVICES`",
        "the services that LocalStack runs, instead of `sns,sqs,dynamodb`, which must be among them",
    ),
    ("`NO_COLOR`", "no colours"),
    ("`TERM`", "`dumb`, or unset: no colours and no redraws"),
];

pub(super) const FILES: [(&str, &str); 2] = [
    (
        "`~/.local/state/rydes/recent.jsonl`",
        "the RFQs submitted from this machine, in `$XDG_STATE_HOME` where that is set",
    ),
    (
        "`~/.cache/rydes`",
        "the files of LocalStack, in `$RYDES_CACHE_DIR` or `$XDG_CACHE_HOME` where one is set",
    ),
];
