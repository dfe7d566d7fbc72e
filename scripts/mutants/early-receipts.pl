# A row that is rechecked counts as repaired before its write was applied.
# file: src/pipeline/recheck/under_way.rs
# test: directed::a_row_is_repaired_by_whoever_comes_after_the_member_that_is_killed_in_the_middle_of_it
s/\n( +)self\.applied\.insert\(ticket, \(row\.point, offset\)\);\n/
$1self.applied.insert(ticket, (row.point, offset));
$1let Offset(written) = offset;
$1self.receipts.insert(row.point, Receipt::Written { offset: written });
/;
