use super::*;

const START_MS: u64 = 1_700_000_000_123;

fn playlist(window: usize, part: Option<Duration>) -> LivePlaylist {
    LivePlaylist::new(PlaylistConfig {
        hold_back: HOLD_BACK,
        target: Duration::from_secs(2),
        part,
        window,
    })
}

fn head(number: u64, discontinuity: bool) -> SegmentHead {
    SegmentHead {
        map_uri: format!("s/init{}.mp4", u8::from(discontinuity)),
        discontinuity,
        program_date_time: SystemTime::UNIX_EPOCH + Duration::from_millis(START_MS + 2033 * number),
    }
}

fn push(playlist: &mut LivePlaylist, number: u64, discontinuity: bool, ms: u64) -> usize {
    playlist.begin(head(number, discontinuity));
    let uri = format!("s/{number}.m4s");
    playlist.end_segment(uri, Duration::from_millis(ms)).len()
}

/// Parts of 240 ms, the first with a key frame.
fn push_parts(playlist: &mut LivePlaylist, number: u64, count: usize) {
    playlist.begin(head(number, false));
    for part in 0..count {
        playlist.push_part(PlaylistPart {
            uri: format!("s/{number}.{part}.m4s"),
            duration: Duration::from_millis(240),
            is_independent: part == 0,
        });
    }
}

#[test]
fn text_is_what_rfc_8216_asks_for() {
    let mut playlist = playlist(2, None);
    push(&mut playlist, 0, false, 2_033);
    push(&mut playlist, 1, true, 2_033);
    playlist.end();
    assert_eq!(
        playlist.render(""),
        "#EXTM3U\n\
         #EXT-X-VERSION:6\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:0\n\
         #EXT-X-MAP:URI=\"s/init0.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n\
         #EXTINF:2.03300,\n\
         s/0.m4s\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-MAP:URI=\"s/init1.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.156Z\n\
         #EXTINF:2.03300,\n\
         s/1.m4s\n\
         #EXT-X-ENDLIST\n"
    );
}

#[test]
fn a_plain_playlist_has_neither_parts_nor_maps() {
    let mut playlist = playlist(3, Some(Duration::from_millis(250)));
    push(&mut playlist, 0, false, 2_000);
    push(&mut playlist, 1, true, 2_000);
    push_parts(&mut playlist, 2, 2);
    playlist.end_segment("s/2.m4s".to_owned(), Duration::from_millis(1_480));
    push_parts(&mut playlist, 3, 1);
    let uri = |msn| format!("{msn}.ts");
    let whole = "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:0\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n\
         #EXTINF:2.00000,\n\
         0.ts\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.156Z\n\
         #EXTINF:2.00000,\n\
         1.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:24.189Z\n\
         #EXTINF:1.48000,\n\
         2.ts\n";
    assert_eq!(playlist.render_plain(0, uri), whole);
    playlist.end();
    assert_eq!(
        playlist.render_plain(0, uri),
        format!("{whole}#EXT-X-ENDLIST\n")
    );
    // What is left out counts like what has slid away.
    assert_eq!(
        playlist.render_plain(2, uri),
        "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:2\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:1\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:24.189Z\n\
         #EXTINF:1.48000,\n\
         2.ts\n\
         #EXT-X-ENDLIST\n"
    );
    let none = playlist.render_plain(9, uri);
    assert!(none.contains("#EXT-X-MEDIA-SEQUENCE:3\n") && !none.contains("EXTINF"));
}

#[test]
fn parts_and_what_players_may_ask_for_are_named() {
    let mut playlist = playlist(2, Some(Duration::from_millis(250)));
    push_parts(&mut playlist, 0, 2);
    playlist.end_segment("s/0.m4s".to_owned(), Duration::from_millis(480));
    push_parts(&mut playlist, 1, 1);
    assert_eq!((playlist.next_sequence(), playlist.next_part()), (1, 1));
    assert_eq!(
        playlist.render("s/1.1.m4s"),
        "#EXTM3U\n\
         #EXT-X-VERSION:9\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.750,CAN-SKIP-UNTIL=12\n\
         #EXT-X-PART-INF:PART-TARGET=0.250\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-MAP:URI=\"s/init0.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n\
         #EXT-X-PART:DURATION=0.24000,URI=\"s/0.0.m4s\",INDEPENDENT=YES\n\
         #EXT-X-PART:DURATION=0.24000,URI=\"s/0.1.m4s\"\n\
         #EXTINF:0.48000,\n\
         s/0.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.156Z\n\
         #EXT-X-PART:DURATION=0.24000,URI=\"s/1.0.m4s\",INDEPENDENT=YES\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s/1.1.m4s\"\n"
    );
    playlist.end();
    let ended = playlist.render("s/1.1.m4s");
    // Nothing of it is of use before its segment any more.
    assert_eq!(
        ended,
        "#EXTM3U\n\
         #EXT-X-VERSION:6\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-MAP:URI=\"s/init0.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n\
         #EXTINF:0.48000,\n\
         s/0.m4s\n\
         #EXT-X-ENDLIST\n"
    );
    assert_eq!(playlist.render_delta("s/1.1.m4s"), None);
}

#[test]
fn parts_are_named_up_to_three_target_durations_from_the_end() {
    let mut playlist = playlist(10, Some(Duration::from_millis(250)));
    for number in 0..8 {
        push_parts(&mut playlist, number, 8);
        let uri = format!("s/{number}.m4s");
        playlist.end_segment(uri, Duration::from_millis(1_920));
    }
    let text = playlist.render("s/8.0.m4s");
    // 1.92 s, 3.84 s and 5.76 s from the end, and what reaches over six.
    assert!(text.contains("URI=\"s/4.0.m4s\""), "{text}");
    assert!(!text.contains("URI=\"s/3.7.m4s\""), "{text}");
}

#[test]
fn an_update_skips_what_is_far_from_the_end() {
    let mut playlist = playlist(20, Some(Duration::from_millis(250)));
    for number in 0..6 {
        push(&mut playlist, number, false, 2_000);
    }
    assert_eq!(playlist.render_delta(""), None);
    push_parts(&mut playlist, 6, 1);
    for number in 6..10 {
        playlist.end_segment(format!("s/{number}.m4s"), Duration::from_secs(2));
        push_parts(&mut playlist, number + 1, 1);
    }
    let delta = playlist.render_delta("s/10.1.m4s").unwrap();
    // The six segments behind the skip boundary and the one that it lies in.
    assert!(
        delta.contains("#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n"),
        "{delta}"
    );
    let whole = playlist.render("s/10.1.m4s");
    let kept = delta.split_once("SKIPPED-SEGMENTS=4\n").unwrap().1;
    let kept = kept.split_once('\n').unwrap();
    assert!(kept.0.starts_with("#EXT-X-MAP"), "{delta}");
    assert!(whole.ends_with(kept.1), "{whole}\n{delta}");
}

#[test]
fn a_playlist_without_parts_has_no_updates() {
    let mut playlist = playlist(20, None);
    for number in 0..20 {
        push(&mut playlist, number, false, 2_000);
    }
    assert_eq!(playlist.render_delta(""), None);
    assert!(!playlist.render("").contains("PRELOAD-HINT"));
}

#[test]
fn counters_rise_as_segments_slide_out() {
    let mut playlist = playlist(3, None);
    let discontinuities = [false, true, false, true, true, false, false, false];
    for (number, discontinuity) in discontinuities.into_iter().enumerate() {
        assert_eq!(playlist.next_sequence(), number as u64);
        let gone = push(&mut playlist, number as u64, discontinuity, 2_033);
        assert_eq!(gone, usize::from(number >= 3));
    }
    let parsed = m3u8_rs::parse_media_playlist_res(playlist.render("").as_bytes()).unwrap();
    assert_eq!(parsed.media_sequence, 5);
    assert_eq!(parsed.discontinuity_sequence, 3);
    assert_eq!(parsed.segments.len(), 3);
    assert!(parsed.segments.iter().all(|s| s.duration.round() <= 2.0));
    assert!(!parsed.end_list);
}

#[test]
fn short_segments_stay_until_three_target_durations_are_left() {
    let mut playlist = playlist(3, None);
    for number in 0..4 {
        assert_eq!(push(&mut playlist, number, false, 1_500), 0);
    }
    assert_eq!(push(&mut playlist, 4, false, 1_500), 1);
    assert_eq!(playlist.duration(), Duration::from_secs(6));
    assert_eq!(push(&mut playlist, 5, false, 1_400), 0);
    // The bound holds all the same.
    let gone: usize = (6..30).map(|n| push(&mut playlist, n, false, 10)).sum();
    assert_eq!(1 + gone, 30 - 3 * MAX_WINDOWS);
}

#[test]
fn a_map_is_repeated_only_when_it_changes() {
    let mut playlist = playlist(6, None);
    for number in 0..6 {
        push(&mut playlist, number, number == 3, 2_033);
    }
    let text = playlist.render("");
    assert_eq!(text.matches("#EXT-X-MAP").count(), 3);
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
}
