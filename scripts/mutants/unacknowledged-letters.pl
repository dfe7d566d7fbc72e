# A dead letter counts as delivered before the brokers have acknowledged it.
# file: src/dead_letter/service.rs
# test: directed::an_offset_waits_for_the_acknowledgement_of_a_dead_letter
s/\n( +)self\.next \+= 1;\n/
$1let ticket = letter.ticket;
$1let _ = letter.reply.send(Delivered { ticket });
$1self.next += 1;
/;
