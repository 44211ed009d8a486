//! Where LocalStack runs: the port, and the environment.

use std::path::PathBuf;

use ureq::http::Uri;

use super::super::{Context, env};
use crate::error::{Error, Result};
use crate::settings::{Env, Settings, Target, host};
use crate::tools::localstack::{self, DEFAULT_PORT, Instance, Reach, SERVICES, Surroundings};

/// The variables that LocalStack may see. Others of the shell could mislead it.
const HANDED_ON: [&str; 9] = [
    "PATH",
    "JAVA_HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "USER",
    "DYNAMODB_HEAP_SIZE",
    "SQS_DELAY_RECENTLY_DELETED",
];

/// `--port`, else the port of the endpoint that other commands would use, else the default.
pub(super) fn chosen_port(context: &Context, port: Option<u16>) -> Result<u16> {
    if let Some(port) = port {
        return Ok(port);
    }
    if let Some(url) = &context.typed.endpoint_url {
        return loopback_port(url).ok_or_else(|| {
            Error::invalid("`--endpoint-url` is not on this machine, where `localstack` works")
        });
    }
    let url = Env::new(&env).text("AWS_ENDPOINT_URL")?;
    Ok(url.and_then(|url| loopback_port(&url)).unwrap_or(DEFAULT_PORT))
}

/// The port of an http URL on this machine.
fn loopback_port(url: &str) -> Option<u16> {
    let uri: Uri = url.parse().ok()?;
    let host = host(url)?;
    let local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "localhost.localstack.cloud");
    (local && uri.scheme_str() == Some("http")).then(|| uri.port_u16().unwrap_or(80))
}

/// Who can reach the LocalStack of these settings, if `rydes` started it for this user on this machine.
pub(in crate::cli) async fn own_reach(settings: &Settings) -> Option<Reach> {
    let Target::LocalStack(local) = &settings.target else { return None };
    let port = loopback_port(&local.sqs.url)?;
    // Endpoints on several ports are several LocalStacks, or proxies.
    if [&local.sns, &local.dynamodb].iter().any(|at| loopback_port(&at.url) != Some(port)) {
        return None;
    }
    let surroundings = surroundings().ok()?;
    let instance = Instance { port, reach: Reach::default(), surroundings };
    tokio::task::spawn_blocking(move || localstack::reach(&instance)).await.ok()?
}

/// The options that other commands need to reach this LocalStack; empty if they need none.
pub(super) fn options(context: &Context, instance: &Instance) -> String {
    let typed = context.typed.endpoint_url.clone();
    let variable = || env("AWS_ENDPOINT_URL").and_then(|url| url.into_string().ok());
    let used = typed.clone().or_else(variable);
    let reached = match used {
        Some(url) => loopback_port(&url) == Some(instance.port),
        None => instance.port == DEFAULT_PORT,
    };
    match typed {
        Some(url) if reached => format!(" --endpoint-url {}", crate::settings::quoted(&url)),
        _ if reached => String::new(),
        _ => format!(" --endpoint-url {}", instance.endpoint()),
    }
}

pub(super) fn surroundings() -> Result<Surroundings> {
    let env = Env::new(&env);
    let home = env.folder("HOME");
    let cache = env
        .raw("RYDES_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| env.folder("XDG_CACHE_HOME").map(|folder| folder.join("rydes")))
        .or_else(|| home.as_ref().map(|home| home.join(".cache/rydes")))
        .ok_or_else(|| Error::other("there is no folder to keep files in: set RYDES_CACHE_DIR"))?;
    let cache = std::path::absolute(&cache)
        .map_err(|error| Error::other("the working folder is gone").because(error))?;
    let variables =
        HANDED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env.raw(name)?))).collect();
    let services = services(env.text("RYDES_LOCALSTACK_SERVICES")?)?;
    let image = env.text("RYDES_LOCALSTACK_IMAGE")?;
    Ok(Surroundings { cache, home, image, services, variables })
}

/// The services to run: names with commas between them, the needed ones among them.
fn services(named: Option<String>) -> Result<Option<String>> {
    let Some(named) = named else { return Ok(None) };
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let all: Vec<_> = named.split(',').collect();
    if all.iter().all(|name| is_name(name)) && SERVICES.iter().all(|name| all.contains(name)) {
        return Ok(Some(named));
    }
    let message = "the variable RYDES_LOCALSTACK_SERVICES is not a list of services";
    Err(Error::invalid(message)
        .hint(format!("name services with commas between them, {} included", SERVICES.join(", "))))
}

/// The folder of LocalStack's files, with `~` for the user's home.
pub(super) fn tilde(instance: &Instance) -> String {
    let root = instance.root();
    let home = instance.surroundings.home.as_ref();
    match home.and_then(|home| root.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => root.display().to_string(),
    }
}

/// A free port to suggest.
pub(super) fn free_port() -> u16 {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr());
    free.map_or(DEFAULT_PORT + 1, |address| address.port())
}
