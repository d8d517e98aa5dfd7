"""The commands of `staywell`, one file a family. Each prints for people, or one JSON object with `--json`."""
