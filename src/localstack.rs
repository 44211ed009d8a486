//! Bring LocalStack up or down.
