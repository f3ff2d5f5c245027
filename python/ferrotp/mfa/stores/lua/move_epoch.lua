-- epoch -> how many trusted devices there were
return move_epoch(ARGV[2])
