//! Pictures as SVG files without scripts, fonts or links. Their colours follow the reader's light or dark scheme.

mod curve;
mod ink;
mod timeline;

pub use self::curve::curve;
pub use self::timeline::svg;
