//! The checks of `tests/it/decoders`, for the targets. Each target is one of them.

#[path = "../../tests/it/decoders/checks.rs"]
pub mod checks;
#[path = "../../tests/it/decoders/filters.rs"]
pub mod filters;
#[path = "../../tests/it/decoders/rows.rs"]
pub mod rows;
