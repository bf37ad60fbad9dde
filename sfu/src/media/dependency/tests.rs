use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Descriptors as Chromium 148 has sent them.
pub(crate) mod chromium {
    /// AV1 in the mode L3T3_KEY, 960x540: the key frame of each spatial layer, a frame of each in
    /// the highest temporal layer, and one in the middle one.
    pub(crate) const AV1_L3T3_KEY: [&str; 7] = [
        "80000580081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524906d54923157e001974ca864330e222396eca8655304224390eca8775300ef008601df010d03bf021b",
        "850006",
        "ca0007",
        "c30008",
        "c80009",
        "8d000a",
        "42000b",
    ];

    /// A key frame of the same stream while the best spatial layer was off.
    pub(crate) const AV1_TWO_OF_THREE: &str = "800001c0081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524906d54923157e001974ca864330e222396eca8655304224390eca8775300ef008601df010d03bf021b1f80";

    /// A frame of it then, in the highest temporal layer: with references and chains of its own.
    pub(crate) const AV1_CUSTOM: &str = "c300031a20100800";

    /// VP9 in the mode L1T3, a layer of simulcast.
    pub(crate) const VP9_L1T3: [&str; 2] =
        ["800001800214eaa860414d141020842700ef0086", "c300031a2010"];

    /// VP8 with three temporal layers, a layer of simulcast.
    pub(crate) const VP8_L1T3: [&str; 2] = [
        "8000048002044eaaaf2860414d34538a09404077c04340",
        "0400091240",
    ];

    /// One layer, without resolutions.
    pub(crate) const L1T1: &str = "80000180003a410100";
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits
        .map(|pair| byte(pair).expect("hexadecimal digits"))
        .collect()
}

fn read(hex: &str, structure: Option<&Structure>) -> Descriptor {
    Descriptor::read(&bytes(hex), structure).expect("a descriptor")
}

fn structure(hex: &str) -> Structure {
    read(hex, None).structure.expect("a structure")
}

/// As the specification writes them.
fn letters(indications: Indications) -> String {
    let letter = |indication| match indication {
        Indication::NotPresent => '-',
        Indication::Discardable => 'D',
        Indication::Switch => 'S',
        Indication::Required => 'R',
    };
    indications.iter().map(letter).collect()
}

fn distances(differences: &Differences) -> Vec<u16> {
    differences.iter().collect()
}

/// Spatial and temporal layer, indications, references, chains.
type Row = (u8, u8, &'static str, &'static [u16], &'static [u8]);

fn assert_templates(structure: &Structure, rows: &[Row]) {
    assert_eq!(structure.templates.len(), rows.len());
    for (template, row) in structure.templates.iter().zip(rows) {
        let found = (
            template.spatial,
            template.temporal,
            letters(template.indications),
            distances(&template.differences),
            &template.chains[..],
        );
        let (spatial, temporal, letters, differences, chains) = *row;
        let wanted = (
            spatial,
            temporal,
            letters.to_owned(),
            differences.to_vec(),
            chains,
        );
        assert_eq!(found, wanted);
    }
}

#[test]
fn structure_of_three_spatial_layers_is_read() {
    let structure = structure(chromium::AV1_L3T3_KEY[0]);
    assert_eq!((structure.id_offset, structure.chains), (0, 3));
    assert_eq!(structure.protected_by, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let resolutions = [(240, 135), (480, 270), (960, 540)];
    assert_eq!(structure.resolutions, resolutions);
    assert_templates(
        &structure,
        &[
            (0, 0, "SSSSSSSSS", &[], &[0, 0, 0]),
            (0, 0, "SSS------", &[12], &[12, 11, 10]),
            (0, 1, "-DS------", &[6], &[6, 5, 4]),
            (0, 2, "--D------", &[3], &[3, 2, 1]),
            (0, 2, "--D------", &[3], &[9, 8, 7]),
            (1, 0, "---SSSSSS", &[1], &[1, 1, 1]),
            (1, 0, "---SSS---", &[12], &[1, 12, 11]),
            (1, 1, "----DS---", &[6], &[7, 6, 5]),
            (1, 2, "-----D---", &[3], &[4, 3, 2]),
            (1, 2, "-----D---", &[3], &[10, 9, 8]),
            (2, 0, "------SSS", &[1], &[2, 1, 1]),
            (2, 0, "------SSS", &[12], &[2, 1, 12]),
            (2, 1, "-------DS", &[6], &[8, 7, 6]),
            (2, 2, "--------D", &[3], &[5, 4, 3]),
            (2, 2, "--------D", &[3], &[11, 10, 9]),
        ],
    );
    let layers: Vec<_> = (0..structure.targets())
        .map(|target| structure.layers(target))
        .map(|layers| (layers.spatial, layers.temporal))
        .collect();
    let all = (0..3).flat_map(|s| (0..3).map(move |t| (s, t)));
    assert!(layers.into_iter().eq(all));
    assert_eq!(structure.highest_spatial(), 2);
}

#[test]
fn frames_are_what_their_templates_say() {
    let [first, others @ ..] = chromium::AV1_L3T3_KEY;
    let structure = structure(first);
    let frames = others.map(|hex| {
        let descriptor = read(hex, Some(&structure));
        let frame = descriptor.frame(&structure).expect("its template");
        let packet = (descriptor.starts_frame, descriptor.ends_frame);
        let layers = (frame.spatial, frame.temporal);
        (
            descriptor.frame_number,
            packet,
            layers,
            letters(frame.indications),
            distances(&frame.differences),
        )
    });
    let of = |number, packet, layers, letters: &str, differences: &[u16]| {
        (
            number,
            packet,
            layers,
            letters.to_owned(),
            differences.to_vec(),
        )
    };
    assert_eq!(
        frames,
        [
            of(6, (true, false), (1, 0), "---SSSSSS", &[1]),
            of(7, (true, true), (2, 0), "------SSS", &[1]),
            of(8, (true, true), (0, 2), "--D------", &[3]),
            of(9, (true, true), (1, 2), "-----D---", &[3]),
            of(10, (true, false), (2, 2), "--------D", &[3]),
            of(11, (false, true), (0, 1), "-DS------", &[6]),
        ]
    );
}

#[test]
fn decode_targets_that_are_off_are_told() {
    let descriptor = read(chromium::AV1_TWO_OF_THREE, None);
    let active = descriptor.active.expect("a mask");
    assert_eq!((active.mask, active.count), (0b11_1111, 9));
    assert_eq!(read(chromium::AV1_L3T3_KEY[0], None).active, None);
}

#[test]
fn frames_differ_from_their_templates() {
    let structure = structure(chromium::AV1_TWO_OF_THREE);
    let descriptor = read(chromium::AV1_CUSTOM, Some(&structure));
    assert_eq!(descriptor.custom.chains, Some(vec![2, 1, 0]));
    assert_eq!(descriptor.custom.indications, None);
    let frame = descriptor.frame(&structure).expect("its template");
    assert_eq!(distances(&frame.differences), [2]);
    assert_eq!(letters(frame.indications), "--D------");
}

#[test]
fn temporal_layers_without_chains_are_read() {
    let structure = structure(chromium::VP8_L1T3[0]);
    assert_eq!((structure.chains, structure.protected_by.len()), (0, 0));
    assert_templates(
        &structure,
        &[
            (0, 0, "SSS", &[], &[]),
            (0, 0, "SSS", &[4], &[]),
            (0, 0, "SRR", &[4], &[]),
            (0, 1, "-SS", &[2], &[]),
            (0, 1, "-DS", &[4, 2], &[]),
            (0, 2, "--D", &[1], &[]),
            (0, 2, "--D", &[3, 1], &[]),
        ],
    );
    let frame = read(chromium::VP8_L1T3[1], Some(&structure));
    let frame = frame.frame(&structure).expect("its template");
    assert_eq!(distances(&frame.differences), [3]);
}

#[test]
fn what_chromium_sends_is_written_byte_by_byte() {
    let groups: [&[&str]; 5] = [
        &chromium::AV1_L3T3_KEY,
        &[chromium::AV1_TWO_OF_THREE, chromium::AV1_CUSTOM],
        &chromium::VP9_L1T3,
        &chromium::VP8_L1T3,
        &[chromium::L1T1],
    ];
    for group in groups {
        let structure = structure(group[0]);
        for hex in group {
            let written = read(hex, Some(&structure)).write();
            // Chromium fills some up with a byte of zeros.
            let sent = bytes(hex);
            let (start, rest) = sent.split_at(written.len());
            assert_eq!(written, start, "{hex}");
            assert!(rest.iter().all(|byte| *byte == 0), "{hex}");
        }
    }
}

#[test]
fn cut_off_descriptors_are_refused_wherever_they_end() {
    let whole = bytes(chromium::AV1_TWO_OF_THREE);
    for end in 0..whole.len() {
        let wanted = match end {
            // All the fields that each has, and no structure.
            3 => ReadError::UnknownTemplate { id: 0 },
            _ => ReadError::TooShort,
        };
        assert_eq!(Descriptor::read(&whole[..end], None), Err(wanted), "{end}");
    }
}

#[test]
fn templates_that_are_not_there_are_refused() {
    let structure = Structure {
        id_offset: 60,
        ..structure(chromium::VP9_L1T3[0])
    };
    for id in 0..64 {
        let known = !(1..60).contains(&id);
        let read = Descriptor::read(&[0xc0 | id, 0, 1], Some(&structure));
        match known {
            true => assert!(read.is_ok(), "{id}"),
            false => assert_eq!(read, Err(ReadError::UnknownTemplate { id })),
        }
    }
}

/// A descriptor with a structure of one decode target whose templates are followed by these bits.
fn with_layers(next: &str) -> Vec<u8> {
    let mandatory = "1".repeat(2) + &"0".repeat(22);
    let bits = mandatory + "10000" + "000000" + "00000" + next + &"0".repeat(400);
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
    bits.as_bytes().chunks_exact(8).map(byte).collect()
}

#[test]
fn counts_are_bounded() {
    let read = |next: &str| Descriptor::read(&with_layers(next), None).map(|_| ());
    let (same, temporal, spatial, end) = ("00", "01", "10", "11");
    assert_eq!(read(&(same.repeat(63) + end)), Ok(()));
    let error = Err(ReadError::TooManyTemplates);
    assert_eq!(read(&(same.repeat(64) + end)), error);
    assert_eq!(read(&(temporal.repeat(7) + end)), Ok(()));
    assert_eq!(read(&(spatial.repeat(3) + end)), Ok(()));
    let error = Err(ReadError::TooManyLayers);
    assert_eq!(read(&(temporal.repeat(8) + end)), error);
    assert_eq!(read(&(spatial.repeat(4) + end)), error);
    // The indication of the one template, and its references.
    let references = |count| format!("{end}10{}", "10000".repeat(count));
    assert_eq!(read(&references(8)), Ok(()));
    assert_eq!(read(&references(9)), Err(ReadError::TooManyDifferences));
}

fn any_indications(targets: usize) -> impl Strategy<Value = Indications> {
    vec(0_u8..4, targets).prop_map(|bits| bits.into_iter().map(Indication::of_bits).collect())
}

fn any_differences(largest: u16) -> impl Strategy<Value = Differences> {
    vec(1..=largest, 0..=MAX_DIFFERENCES).prop_map(|values| values.into_iter().collect())
}

fn any_template(
    targets: usize,
    chains: u8,
) -> impl Strategy<Value = (Indications, Differences, Vec<u8>)> {
    let chains = vec(0_u8..16, usize::from(chains));
    (any_indications(targets), any_differences(16), chains)
}

prop_compose! {
    fn any_counts()(targets in 1..=MAX_TARGETS, layers in vec((0_u8..4, 1_u8..4), 1..6))
        (chains in 0..=targets as u8, targets in Just(targets), layers in Just(layers))
        -> (usize, u8, Vec<(u8, u8)>) {
        // In the order that templates have: each layer, with some templates.
        let mut steps = vec![(0, 0)];
        for (step, count) in layers {
            let (spatial, temporal) = *steps.last().expect("one");
            let next = match step {
                0 if spatial + 1 < MAX_LAYERS[0] => (spatial + 1, 0),
                1 | 2 if temporal + 1 < MAX_LAYERS[1] => (spatial, temporal + 1),
                _ => (spatial, temporal),
            };
            steps.extend(std::iter::repeat_n(next, usize::from(count)));
        }
        (targets, chains, steps)
    }
}

fn any_structure() -> impl Strategy<Value = Structure> {
    any_counts().prop_flat_map(|(targets, chains, layers)| {
        let spatial = layers.iter().map(|(spatial, _)| spatial).max().copied();
        let resolutions = usize::from(spatial.unwrap_or(0)) + 1;
        let protected = if chains > 0 { targets } else { 0 };
        (
            0_u8..64,
            vec(any_template(targets, chains), layers.len()),
            vec(0..chains.max(1), protected),
            proptest::option::of(vec((1_u32..=65_536, 1_u32..=65_536), resolutions)),
        )
            .prop_map(move |(id_offset, templates, protected_by, resolutions)| {
                let templates = layers.iter().zip(templates);
                Structure {
                    id_offset,
                    templates: templates
                        .map(|((spatial, temporal), parts)| Template {
                            spatial: *spatial,
                            temporal: *temporal,
                            indications: parts.0,
                            differences: parts.1,
                            chains: parts.2,
                        })
                        .collect(),
                    protected_by,
                    chains,
                    resolutions: resolutions.unwrap_or_default(),
                }
            })
    })
}

fn any_descriptor() -> impl Strategy<Value = (Structure, Descriptor)> {
    any_structure().prop_flat_map(|structure| {
        let targets = structure.targets();
        let mask = u32::MAX >> (MAX_TARGETS - targets);
        let custom = (
            proptest::option::of(any_indications(targets)),
            proptest::option::of(any_differences(4_096)),
            proptest::option::of(vec(any::<u8>(), usize::from(structure.chains))),
        );
        (
            any::<(bool, bool, u16, bool)>(),
            0..structure.templates.len() as u8,
            proptest::option::of(0..=mask),
            custom,
            Just(structure),
        )
            .prop_map(|(flags, template, mask, custom, structure)| {
                let (starts_frame, ends_frame, frame_number, brings) = flags;
                let descriptor = Descriptor {
                    starts_frame,
                    ends_frame,
                    template_id: (structure.id_offset + template) % MAX_TEMPLATES as u8,
                    frame_number,
                    structure: brings.then(|| structure.clone()),
                    active: mask.map(|mask| ActiveTargets {
                        mask,
                        count: structure.targets() as u8,
                    }),
                    custom: Custom {
                        indications: custom.0,
                        differences: custom.1,
                        chains: custom.2,
                    },
                };
                (structure, descriptor)
            })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again((structure, descriptor) in any_descriptor()) {
        let written = descriptor.write();
        let read = Descriptor::read(&written, Some(&structure));
        prop_assert_eq!(read.as_ref(), Ok(&descriptor));
        let frame = descriptor.frame(&structure).expect("its template");
        let custom = &descriptor.custom;
        prop_assert!(custom.indications.is_none_or(|i| i == frame.indications));
        prop_assert!(custom.differences.is_none_or(|d| d == frame.differences));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..256)) {
        if let Ok(descriptor) = Descriptor::read(&bytes, None) {
            prop_assert!(descriptor.write().len() <= bytes.len());
        }
    }
}
