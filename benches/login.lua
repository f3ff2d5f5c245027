-- For wrk: posts each line of a file once, a session and a form, and counts the redirects that are a login. Users without
-- recovery codes are led to the page of their second factor.
requests, at, logins, others = {}, 0, 0, 0

function setup(thread)
  part = part or 0
  thread:set("part", part)
  part = part + 1
  threads = threads or {}
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1] .. "." .. part) do
    local cookie, body = line:match("^(%S+) (%S+)$")
    local headers = {["Cookie"] = "session=" .. cookie, ["Content-Type"] = "application/x-www-form-urlencoded"}
    table.insert(requests, wrk.format("POST", nil, headers, body))
  end
end

function request()
  at = at + 1
  if at >= #requests then wrk.thread:stop() end
  return requests[at]
end

function response(status, headers, body)
  local where = headers["Location"] or ""
  if (status == 302 or status == 303) and (where == "/mfa/" or not where:find("mfa")) and not where:find("tf") then
    logins = logins + 1
  else
    others = others + 1
  end
end

function done(summary, latency, all)
  local logins, others, sent = 0, 0, 0
  for _, thread in ipairs(threads) do
    logins = logins + thread:get("logins")
    others = others + thread:get("others")
    sent = sent + thread:get("at")
  end
  print("logins " .. logins .. " others " .. others .. " sent " .. sent .. " us " .. summary.duration)
end
