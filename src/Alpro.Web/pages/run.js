'use strict';
new EventSource('api/events').onmessage = event => document.getElementById('verdict').textContent = JSON.parse(event.data).health;
