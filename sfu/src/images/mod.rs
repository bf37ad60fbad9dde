//! Uploaded images: what is taken, in which sizes it is kept, and how it is served.
//!
//! An upload goes through [`Upload::examine`], which believes nothing but the bytes: the format
//! is what they begin with, and what does not decode is no image. [`ImageFiles`] keeps it under
//! the hash of its bytes, so that a name never stands for something else and the same picture
//! is kept once. [`HEADERS`] go with every image that is served.

mod files;
mod sniff;
mod upload;

pub use files::{FileError, ImageFiles, StoredImage};
pub use sniff::Format;
pub use upload::{ImageLimits, Thumbnail, Upload};

/// Headers of every response with an image, beside its `content-type`: the browser takes no
/// other type for it, runs nothing in it, shows it on pages of any origin, and keeps it, since
/// a name always stands for the same bytes.
pub const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("content-disposition", "inline"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("cache-control", "public, max-age=31536000, immutable"),
];

/// Where images are served; their file name follows.
pub const PATH: &str = "/images/";
