-- The driver of skynet in the cases about actors, with the activities of the driver of skypy.
local skynet = require "skynet"

local WARMUP_SECONDS = 0.2
local CALLS_BETWEEN_LOOKS = 20
local SENDS_BETWEEN_CALLS = { [1] = 1000, [100] = 100 }

local function now()
	return skynet.hpc() / 1e9
end

-- Run `body` in `width` coroutines and wait for all.
local function together(width, body)
	local left, main = width, coroutine.running()
	for index = 1, width do
		skynet.fork(function()
			body(index)
			left = left - 1
			if left == 0 then
				skynet.wakeup(main)
			end
		end)
	end
	skynet.wait(main)
end

local function rate(act, width, seconds)
	local count, elapsed
	for _, duration in ipairs { WARMUP_SECONDS, seconds } do
		local started = now()
		count = 0
		together(width, function()
			while now() < started + duration do
				for _ = 1, CALLS_BETWEEN_LOOKS do
					act()
				end
				count = count + CALLS_BETWEEN_LOOKS
			end
		end)
		elapsed = now() - started
	end
	return count / elapsed
end

local activities = {}

activities["call-plain"] = function(width, seconds)
	local target = skynet.newservice "target"
	return rate(function() skynet.call(target, "lua", "plain", 1) end, width, seconds)
end

activities["call-in-turn"] = function(width, seconds)
	local targets, turn = {}, 0
	for index = 1, width do
		targets[index] = skynet.newservice "target"
	end
	return rate(function()
		turn = turn % width + 1
		skynet.call(targets[turn], "lua", "plain", 1)
	end, 1, seconds)
end

activities["call-coroutine"] = activities["call-plain"]
activities["call-across"] = activities["call-plain"]

activities["send"] = function(width, seconds)
	local target = skynet.newservice "target"
	local senders, total, elapsed = {}, nil, nil
	for index = 1, width do
		senders[index] = skynet.newservice "target"
	end
	for _, duration in ipairs { WARMUP_SECONDS, seconds } do
		local started = now()
		total = 0
		together(width, function(index)
			local batch = SENDS_BETWEEN_CALLS[width]
			local count = skynet.call(senders[index], "lua", "send_to", target, batch, duration)
			total = total + count -- not in one expression: others add while the call waits
		end)
		elapsed = now() - started
	end
	return total / elapsed
end

activities["start-services"] = function(width, seconds)
	return rate(function() skynet.newservice "four" end, width, seconds)
end

activities["idle-services"] = function(width, seconds)
	for _ = 1, width do
		skynet.newservice "four"
	end
	skynet.sleep(math.floor(seconds * 100))
	return width
end

skynet.start(function()
	local activity, width, seconds = string.match(skynet.getenv "arguments", "(%S+) (%S+) (%S+)")
	skynet.fork(function()
		local value = activities[activity](tonumber(width), tonumber(seconds))
		print(string.format('RESULT {"value": %.3f}', value))
		io.stdout:flush()
	end)
end)
