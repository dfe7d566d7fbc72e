# The frontier is one too far: a record counts as settled that has not.
# file: src/commit/ledger.rs
# test: directed::an_offset_waits_for_what_was_not_written_when_its_member_leaves
s/Some\(entry\) => Some\(entry\.offset\),/Some(entry) => Some(entry.offset.next()),/;
