-- What Celery code sent is known by its message, whose tag stays the same when the broker delivers it again; an id that
-- is sent again comes in another message. The run hash remembers which attempt each was: ";TAG=ATTEMPT", newest last.
local function attempt_of(messages, message)
  if message == '' then return nil end
  local _, stop = string.find(messages or '', ';' .. message .. '=', 1, true)
  return stop and tonumber(string.match(messages, '^%d+', stop + 1))
end

local function remembered(messages, message, attempt)
  local all = (messages or '') .. ';' .. message .. '=' .. attempt
  -- A task that retries for days: a message older than the last thirty or so is not delivered again.
  return #all > 2000 and string.match(string.sub(all, -1600), ';.*') or all
end

-- The event of an attempt whose number only the script knows: it was encoded as attempt 0.
local function numbered(event, attempt)
  local start, stop = string.find(event, ',"a":0,', 1, true)
  if not start then return event end
  return string.sub(event, 1, start - 1) .. ',"a":' .. attempt .. ',' .. string.sub(event, stop + 1)
end
