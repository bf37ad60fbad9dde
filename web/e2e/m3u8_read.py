"""Reads a Media Playlist with the package m3u8 and tells what it found, as JSON.

Usage: m3u8_read.py URL
"""

import json
import sys

import m3u8

playlist = m3u8.load(sys.argv[1])
segments = [segment for segment in playlist.segments if segment.uri]
open_parts = [part for segment in playlist.segments if not segment.uri for part in segment.parts]
control = playlist.server_control
json.dump(
    {
        "target": playlist.target_duration,
        "sequence": playlist.media_sequence,
        "partTarget": playlist.part_inf.part_target,
        "canBlockReload": control.can_block_reload,
        "holdBack": control.part_hold_back,
        "skipUntil": control.can_skip_until,
        "hint": playlist.preload_hint.uri,
        "segments": [
            {"uri": s.uri, "duration": s.duration, "map": s.init_section.uri, "date": s.program_date_time.timestamp(), "parts": len(s.parts)}
            for s in segments
        ],
        "openParts": [part.uri for part in open_parts],
    },
    sys.stdout,
)
