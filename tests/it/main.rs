//! What rydes promises, tested through its public face.

mod aggregate;
