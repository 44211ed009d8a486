//! Opens the listeners of `--listen` and `--metrics`.

use std::net::{SocketAddr, ToSocketAddrs as _};

use tokio::net::TcpListener;

use crate::error::{Error, Result};

/// Listens at an address, or at the first usable address of a name. `option` is how it was typed, as in `--listen`.
pub(super) async fn bind(option: &str, listen: &str) -> Result<TcpListener> {
    // A port alone is on `127.0.0.1`.
    let typed = match listen.parse::<u16>() {
        Ok(port) => format!("127.0.0.1:{port}"),
        Err(_) => listen.to_owned(),
    };
    let addresses = tokio::task::spawn_blocking(move || {
        typed.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
    });
    let addresses = addresses.await.map_err(|panic| Error::other("no address").because(panic))?;
    let addresses = addresses.map_err(|error| {
        let problem = format!("`{option} {listen}`: an address and a port, as in 127.0.0.1:8080");
        Error::invalid(problem).because(error)
    })?;
    TcpListener::bind(addresses.as_slice()).await.map_err(|error| {
        let taken = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = Error::other(format!("cannot listen at {listen}")).because(error);
        if taken {
            error.hint(format!("another port: {option} 127.0.0.1:0 takes any free one"))
        } else {
            error
        }
    })
}
