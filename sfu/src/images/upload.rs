//! From bytes that somebody sent to an image in several sizes.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use sha2::{Digest, Sha256};

use super::sniff::Format;
use crate::live::chat::ChatError;

/// Bounds of one upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Pixels of the longer side.
    pub side: u32,
    /// Pixels of the whole image: what a decoder unpacks has four to eight times as many bytes,
    /// however small the file is.
    pub pixels: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            bytes: 28 << 20,
            side: 16_384,
            pixels: 50_000_000,
        }
    }
}

/// An image that was sent, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// SHA-256 of the bytes in lower-case hexadecimal digits.
    pub id: String,
    /// What the bytes are.
    pub format: Format,
    /// Pixels, as the image is shown: turned as its metadata says.
    pub width: u32,
    /// Pixels, as the image is shown.
    pub height: u32,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// Smaller ones, larger first. None where the image itself is as small.
    pub thumbnails: Vec<Thumbnail>,
}

/// A smaller image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// The bound of its longer side, in pixels; a part of its file name.
    pub side: u32,
    /// JPEG, or PNG where parts are transparent.
    pub format: Format,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Upload {
    /// Looks at what was sent. Takes up to a second and 400 MB for the largest image: for a
    /// thread that may block, a few at a time.
    ///
    /// # Errors
    /// 2251 for nothing, 2252 for what is no image, 2253 for one that is too large.
    pub fn examine(bytes: Vec<u8>, limits: &ImageLimits) -> Result<Self, ChatError> {
        if bytes.is_empty() {
            return Err(ChatError::ImageMissing {
                id: "in an empty file".to_owned(),
            });
        }
        if bytes.len() > limits.bytes {
            return Err(ChatError::ImageSize {
                size: format!("{} bytes", bytes.len()),
                allowed: format!("up to {} bytes", limits.bytes),
            });
        }
        let format = Format::sniff(&bytes).ok_or(ChatError::ImageType)?;
        // A decoder that panics has met bytes it does not know: they are no image.
        let looked = catch_unwind(AssertUnwindSafe(|| look(&bytes, format, limits)));
        let (width, height, thumbnails) = looked.map_err(|_| ChatError::ImageType)??;
        Ok(Self {
            id: hex(&Sha256::digest(&bytes)),
            format,
            width,
            height,
            bytes,
            thumbnails,
        })
    }
}

fn look(
    bytes: &[u8],
    format: Format,
    limits: &ImageLimits,
) -> Result<(u32, u32, Vec<Thumbnail>), ChatError> {
    let damaged = |_| ChatError::ImageType;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.decoder());
    let mut bounds = Limits::default();
    bounds.max_alloc = Some(limits.pixels.saturating_mul(BYTES_PER_PIXEL));
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    // Before the first pixel is unpacked.
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > limits.side || pixels > limits.pixels {
        return Err(ChatError::ImageSize {
            size: format!("{width} × {height} pixels"),
            allowed: format!(
                "up to {} pixels a side and {} in all",
                limits.side, limits.pixels
            ),
        });
    }
    if pixels == 0 {
        return Err(ChatError::ImageType);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    // The large one is made first and the small one from it.
    let mut thumbnails = Vec::new();
    let mut turned = false;
    let mut shown = (width, height);
    if swaps_sides(orientation) {
        shown = (height, width);
    }
    for side in THUMBNAIL_SIDES {
        if image.width().max(image.height()) <= side {
            continue;
        }
        image = image.thumbnail(side, side);
        if !turned {
            image.apply_orientation(orientation);
            turned = true;
        }
        thumbnails.push(encode(&image, side)?);
    }
    Ok((shown.0, shown.1, thumbnails))
}

fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn encode(image: &DynamicImage, side: u32) -> Result<Thumbnail, ChatError> {
    let damaged = |_| ChatError::ImageType;
    let mut bytes = Vec::new();
    let is_opaque = !image.color().has_alpha() || image.to_rgba8().pixels().all(|p| p[3] == 255);
    let format = if is_opaque {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        image
            .to_rgb8()
            .write_with_encoder(encoder)
            .map_err(damaged)?;
        Format::Jpeg
    } else {
        let mut out = Cursor::new(&mut bytes);
        image
            .to_rgba8()
            .write_to(&mut out, image::ImageFormat::Png)
            .map_err(damaged)?;
        Format::Png
    };
    Ok(Thumbnail {
        side,
        format,
        width: image.width(),
        height: image.height(),
        bytes,
    })
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

/// Longer sides of the smaller images: one for a full screen of a phone, one for the list.
const THUMBNAIL_SIDES: [u32; 2] = [720, 198];

/// Good enough for a small picture at a tenth of the bytes of the best.
const JPEG_QUALITY: u8 = 80;

/// Largest pixel of a decoder: four channels of 16 bits.
const BYTES_PER_PIXEL: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
    use proptest::prelude::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x + y) as u8]))
    }

    fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image
            .write_to(&mut Cursor::new(&mut bytes), format)
            .expect("encodes");
        bytes
    }

    fn examine(bytes: Vec<u8>) -> Result<Upload, ChatError> {
        Upload::examine(bytes, &ImageLimits::default())
    }

    fn code(bytes: &[u8]) -> i32 {
        examine(bytes.to_vec()).expect_err("refused").code()
    }

    #[test]
    fn every_format_is_taken_and_gets_smaller_ones() {
        let image = DynamicImage::from(picture(1_000, 500));
        for format in Format::ALL {
            let bytes = file(&image, format.decoder());
            let upload = examine(bytes.clone()).unwrap_or_else(|e| panic!("{format:?}: {e}"));
            assert_eq!(
                (upload.format, upload.width, upload.height),
                (format, 1_000, 500)
            );
            assert_eq!(upload.bytes, bytes);
            assert_eq!(upload.id.len(), 64);
            let sizes: Vec<_> = upload
                .thumbnails
                .iter()
                .map(|t| (t.side, t.width, t.height))
                .collect();
            assert_eq!(sizes, [(720, 720, 360), (198, 198, 99)]);
            for thumbnail in upload.thumbnails {
                assert_eq!(Format::sniff(&thumbnail.bytes), Some(Format::Jpeg));
                assert!(image::load_from_memory(&thumbnail.bytes).is_ok());
            }
        }
    }

    #[test]
    fn a_small_image_needs_no_smaller_one_and_a_clear_one_stays_clear() {
        let small = file(&picture(198, 10).into(), ImageFormat::Png);
        assert!(examine(small).unwrap().thumbnails.is_empty());
        let mut clear = RgbaImage::from_pixel(300, 300, Rgba([1, 2, 3, 255]));
        clear.put_pixel(0, 0, Rgba([0, 0, 0, 0]));
        let upload = examine(file(&clear.into(), ImageFormat::Png)).unwrap();
        let formats: Vec<_> = upload
            .thumbnails
            .iter()
            .map(|t| (t.side, t.format))
            .collect();
        assert_eq!(formats, [(198, Format::Png)]);
    }

    #[test]
    fn the_id_is_the_hash_of_the_bytes() {
        assert_eq!(
            hex(&Sha256::digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let png = file(&picture(9, 9).into(), ImageFormat::Png);
        assert_eq!(examine(png.clone()).unwrap().id, hex(&Sha256::digest(&png)));
    }

    #[test]
    fn a_turned_photo_is_shown_upright() {
        let jpeg = file(&picture(400, 200).into(), ImageFormat::Jpeg);
        // An Exif segment (TIFF, little endian) with one entry: orientation 6, turn right.
        let exif = b"\xff\xe1\x00\x22Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
        let upload = examine(turned).unwrap();
        assert_eq!((upload.width, upload.height), (200, 400));
        let sizes: Vec<_> = upload
            .thumbnails
            .iter()
            .map(|t| (t.width, t.height))
            .collect();
        assert_eq!(sizes, [(99, 198)]);
    }

    #[test]
    fn what_is_no_image_is_2252_and_nothing_is_2251() {
        assert_eq!(code(b""), 2251);
        for bytes in [
            &b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"[..],
            b"<html><script>alert(1)</script>",
            b"GIF89a\x01\0\x01\0\0\0\0<script>alert(1)</script>",
            b"\x89PNG\r\n\x1a\n and then nothing of the kind",
            b"\xff\xd8\xff\xe0 neither",
            b"BM            \x28\0\0\0",
            b"RIFF\x10\0\0\0WEBPVP8 ",
        ] {
            assert_eq!(code(bytes), 2252, "{:?}", String::from_utf8_lossy(bytes));
        }
        let png = file(&picture(300, 300).into(), ImageFormat::Png);
        assert_eq!(code(&png[..png.len() / 2]), 2252, "half a file");
    }

    #[test]
    fn too_many_bytes_or_pixels_are_2253() {
        let limits = ImageLimits::default();
        let mut large = file(&picture(9, 9).into(), ImageFormat::Png);
        large.resize(limits.bytes + 1, 0);
        assert_eq!(code(&large), 2253);
        large.truncate(limits.bytes);
        assert!(examine(large).is_ok(), "28 MB are allowed");

        let wide = file(&picture(16_385, 1).into(), ImageFormat::Png);
        let error = examine(wide).unwrap_err();
        assert_eq!(error.code(), 2253);
        assert!(error.to_string().contains("16385 × 1 pixels"), "{error}");
        let small = ImageLimits {
            pixels: 99,
            ..limits
        };
        let png = file(&picture(10, 10).into(), ImageFormat::Png);
        assert_eq!(Upload::examine(png, &small).unwrap_err().code(), 2253);
    }

    #[test]
    fn a_small_file_that_unpacks_to_much_is_refused_unpacked_by_nobody() {
        // The head of a PNG of 60,000 × 60,000 pixels: 10.8 GB.
        let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bomb.extend(60_000u32.to_be_bytes());
        bomb.extend(60_000u32.to_be_bytes());
        bomb.extend([8, 2, 0, 0, 0]);
        let crc = crc(&bomb[12..]);
        bomb.extend(crc.to_be_bytes());
        bomb.extend(b"\0\0\0\x04IDAT\x78\x9c\x03\0");
        bomb.extend([0; 64]);
        assert_eq!(code(&bomb), 2253);
        // A GIF whose screen is as large as GIF can say.
        let gif = [
            &b"GIF89a\xff\xff\xff\xff\0\0\0"[..],
            b",\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;",
        ];
        assert_eq!(code(&gif.concat()), 2253);
    }

    /// CRC-32 of PNG chunks, bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_files_are_refused_or_taken_and_nothing_else(
            format in 0..5usize,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = file(&picture(60, 40).into(), Format::ALL[format].decoder());
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() * 2).max(1));
            if let Err(error) = examine(bytes) {
                prop_assert!([2252, 2253].contains(&error.code()));
            }
        }
    }
}
