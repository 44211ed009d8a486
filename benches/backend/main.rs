//! A stub of SNS, SQS and DynamoDB in memory, to measure what stands in front of it:
//! `cargo bench --bench backend -- 127.0.0.1:8000 --delay 5ms`. It serves until it is killed.
//!
//! It answers the calls that `rydes` makes, in the protocols that the SDK speaks. What it lacks it refuses with the
//! code `NotImplemented`, on stderr, and in its figures. `GET /figures` returns what has happened since the last
//! `DELETE /figures`.
//!
//! Each answer takes the delay: a write takes effect at its end, a receive hides its messages at its beginning. So
//! every step of a message takes the delay in full. The timer rounds it up to whole milliseconds.
//!
//! It is for benchmarks alone: no test uses it.

mod delay;
mod dynamodb;
mod figures;
mod http;
mod limit;
mod partial;
mod sns;
mod sqs;

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::task::LocalSet;

use self::delay::Delay;
use self::figures::Figures;
use self::limit::Limit;
use self::partial::Partial;

/// All of the state.
struct Backend {
    queues: sqs::Queues,
    topics: RefCell<sns::Topics>,
    tables: RefCell<dynamodb::Tables>,
    figures: RefCell<Figures>,
    delay: RefCell<Delay>,
    limit: RefCell<Limit>,
    partial: RefCell<Partial>,
}

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` adds an option of its own, and runs this beside the other benchmarks, without an address.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let Some(address) = words.next() else { return Ok(()) };
    let (mut delay, mut limit, mut partial) = (Delay::none(), Limit::none(), Partial::of(0.0));
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option}: no value"));
        match option.as_str() {
            "--delay" => delay = Delay::fixed(&value()?)?,
            "--tail" => delay = Delay::tail(&value()?)?,
            "--limit" => limit = Limit::of(value()?.parse()?),
            "--partial" => partial = Partial::of(value()?.parse()?),
            _ => return Err(format!("{option}: no such option").into()),
        }
    }
    let backend = Rc::new(Backend {
        queues: sqs::Queues::default(),
        topics: RefCell::default(),
        tables: RefCell::default(),
        figures: RefCell::default(),
        delay: RefCell::new(delay),
        limit: RefCell::new(limit),
        partial: RefCell::new(partial),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(&address).await?;
        http::serve(listener, backend).await
    })
}
