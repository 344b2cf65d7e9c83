-- One request to the origin for all viewers who want the same thing at the same time.
--
-- nginx's own `proxy_cache_lock` does this too, but who waits looks only every 500 ms whether the answer
-- is there. A part lasts 200 ms, so viewers would fall behind. Here the answer itself wakes them.
--
-- Everything here belongs to one worker process of nginx: an edge with four of them asks the origin up to
-- four times.

local lrucache = require "resty.lrucache"
local semaphore = require "ngx.semaphore"

-- Longer than the origin holds a request: three target durations, at most 30 s (RFC 8216bis, section 6.2.5).
local WAIT_S_MAX = 60
-- Addresses that are known to be in the cache, and for how long at most: nginx may drop a file earlier than
-- its Cache-Control says.
local KNOWN_MAX = 50000
local KNOWN_S_MAX = 60
-- What viewers get of an answer that is not in the cache.
local PASSED_ON = {
  ["access-control-allow-origin"] = true,
  ["access-control-expose-headers"] = true,
  ["cache-control"] = true,
  ["content-type"] = true,
  ["cross-origin-resource-policy"] = true,
  ["etag"] = true,
  ["retry-after"] = true,
  ["timing-allow-origin"] = true,
  ["vary"] = true,
  ["x-content-type-options"] = true,
}

local known = lrucache.new(KNOWN_MAX)
-- Requests under way, by the key in the cache.
local flights = {}

local edge = {}

-- Seconds for which nginx keeps an answer with these headers. What was in the cache already has used up
-- some of its time; how much is not known.
local function kept_s(headers)
  local control = headers["cache-control"] or ""
  if control:find("no-store", 1, true) or control:find("no-cache", 1, true)
    or control:find("private", 1, true) then
    return 0
  end
  local age_max = tonumber(control:match("s%-maxage=(%d+)") or control:match("max%-age=(%d+)")) or 0
  if headers["x-cache"] == "HIT" then
    age_max = age_max / 4
  end
  return math.min(age_max, KNOWN_S_MAX)
end

-- Whether those who have waited may have an answer that no cache keeps: an error, or a playlist that must
-- be checked before each use. It was made after they had asked, so it is as good as one of their own.
local function is_for_all(status, headers)
  local control = headers["cache-control"] or ""
  return status >= 400 or status == 200 and control == "no-cache" and not headers["set-cookie"]
end

-- Asks the server behind the socket, which fills the cache. For media HEAD is enough: nginx makes it a
-- GET, and ends the connection when the file is in the cache.
local function exchange(socket, request)
  local target = request.target
  local is_text = target:find(".m3u8", 1, true) or target:find(".mpd", 1, true)
  local method = is_text and "GET " or "HEAD "
  local lines = { method .. request.target .. " HTTP/1.0" }
  for name, value in pairs(request.headers) do
    -- A line break would begin a header of the viewer's choice; nginx refuses those already.
    lines[#lines + 1] = name .. ": " .. value:gsub("%c", "")
  end
  local sent, cause = socket:send(table.concat(lines, "\r\n") .. "\r\n\r\n")
  if not sent then
    return nil, cause
  end
  return socket:receive("*a")
end

local function fetch(request)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, WAIT_S_MAX * 1000)
  local connected, cause = socket:connect(request.socket)
  if not connected then
    return nil, cause
  end
  local answer
  answer, cause = exchange(socket, request)
  socket:close()
  local head, body = (answer or ""):match("^(.-\r\n)\r\n(.*)$")
  local status = head and tonumber(head:match("^HTTP/1%.%d (%d%d%d)"))
  if not status then
    return nil, cause or "no answer"
  end
  local headers = {}
  for name, value in head:gmatch("\r\n([^:\r\n]+): *([^\r\n]*)") do
    headers[name:lower()] = value
  end
  return status, headers, body
end

-- Runs apart from any viewer's request, so that a viewer who leaves or is slow holds up nobody.
local function fly(premature, key, flight, request)
  local called, status, headers, body = false, nil, "nginx stops", nil
  if not premature then
    called, status, headers, body = pcall(fetch, request)
  end
  if not (called and status) then
    ngx.log(ngx.ERR, "not fetched: ", request.target, ": ", tostring(headers or status))
    status, headers, body = 502, { ["cache-control"] = "no-store" }, ""
  end
  local seconds = status == 200 and kept_s(headers) or 0
  if seconds > 0 then
    known:set(key, true, seconds)
  elseif is_for_all(status, headers) then
    flight.answer = { status = status, headers = headers, body = body }
  end
  flights[key] = nil
  flight.landed:post(flight.waiting)
end

-- Without this, everybody who has waited would now ask the origin.
local function pass_on(answer)
  ngx.status = answer.status
  for name, value in pairs(answer.headers) do
    if PASSED_ON[name] then
      ngx.header[name] = value
    end
  end
  ngx.header["X-Cache"] = "SHARED"
  if answer.body == "" and ngx.req.get_method() == "GET" then
    ngx.header["Content-Type"] = "application/json"
    answer.body = '{"error":"the origin answered ' .. answer.status .. '"}'
  end
  -- Known, so it is said: else the body would come in chunks.
  ngx.header["Content-Length"] = #answer.body
  ngx.print(answer.body)
  return ngx.exit(answer.status)
end

-- Waits until what the request asks for is in the cache, or can be had only from the origin itself.
-- `socket` is where the server is that fills the cache.
function edge.wait(socket)
  local var = ngx.var
  local key = var.edge_key
  if var.edge_own ~= "" or known:get(key) then
    return
  end
  local method = ngx.req.get_method()
  if method ~= "GET" and method ~= "HEAD" then
    return
  end
  local flight = flights[key]
  if not flight then
    flight = { landed = semaphore.new(), waiting = 0 }
    local started = ngx.timer.at(0, fly, key, flight, {
      socket = socket,
      target = var.uri .. var.edge_directives,
      headers = {
        ["Host"] = var.host,
        ["Origin"] = var.edge_origin,
        ["User-Agent"] = var.http_user_agent or "",
        ["X-Edge-Client"] = var.remote_addr,
      },
    })
    if not started then
      return
    end
    flights[key] = flight
  end
  flight.waiting = flight.waiting + 1
  flight.landed:wait(WAIT_S_MAX)
  if flight.answer then
    return pass_on(flight.answer)
  end
end

return edge
