-- selector and sealed hash of each -> 1 or 0
if not is_bound() then return 0 end

replace_codes(2)
return 1
