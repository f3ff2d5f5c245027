-- Nothing but the rows -> 1
return 1
